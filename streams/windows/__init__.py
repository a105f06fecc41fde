"""Event time, panes and the state of one partition. Pure: no clock, no I/O, no randomness."""
