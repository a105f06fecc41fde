"""What a rule may judge: one file a kind of condition, found by `registry.py`. Pure: no clock, no I/O."""
