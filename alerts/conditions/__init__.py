"""What a rule may judge: one file a kind of condition. Pure."""
