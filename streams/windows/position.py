"""Where the state of a partition stands, over all the logs that its topic has had.

A position is an offset, plus 2**48 for each time that the topic was created anew and `xmon topics reset` went on with it. So
two logs of a partition have no position in common, and whoever compares positions, be it a checkpoint, a zombie or a reader,
never takes one log for the other.
"""

LOG = 1 << 48  # offsets of one log: at a million records a second they last for nine years


def offset_of(position: int) -> int:
    """The offset in the log there is."""
    return position % LOG


def in_next_log(position: int, offset: int) -> int:
    """The position of an offset in the log that comes after the one of `position`."""
    return (position // LOG + 1) * LOG + offset
