"""Where the state of a partition stands: a number of its own for each state the partition may have.

State is a function of the offset as long as every record of that log before it was counted. Where some are left out, because
the log lost them or because the topic was created anew, another worker may have counted them and come to the same offset. So
each log is counted in a branch of its own, and whoever leaves out records goes on in another: a position is an offset, plus
2**48 times the number of the branch, and whoever compares positions, be it a checkpoint, a zombie or a reader, does not take
one state for another. (Two branches have the same number once in 32,767 times; they would have to meet at one offset as well.)
"""

from hashlib import blake2b

LOG = 1 << 48  # offsets of one log: at a million records a second they last for nine years
BRANCHES = 1 << 15  # a position is stored in 64 bits, one of them the sign
NOWHERE = -1  # before anything was stored


def offset_of(position: int) -> int:
    """The offset in the log there is."""
    return position % LOG


def before(position: int, other: int) -> bool:
    """Whether a state is one that led to the other; of those in two branches nobody can tell, and it is taken to be."""
    return position // LOG != other // LOG or position < other


def branched(position: int, offset: int, log: str = "") -> int:
    """Where a state stands that goes on from `position` at `offset`, be it in a new log, without what lies between.

    The number of the branch is drawn from all three, so that whoever leaves out the same comes to the same position.
    """
    digest = blake2b(f"{position} {offset} {log}".encode(), digest_size=8).digest()
    return (1 + int.from_bytes(digest) % (BRANCHES - 1)) * LOG + offset
