"""What one checkpoint carries by name, and how much of it."""

from collections.abc import Mapping

NEXT = b"_next"
FOLDED_UNTIL = b"_folded_until"
MOST_FIELDS = 3_900
"""Fields of one checkpoint: a Lua script passes each with its value, and Lua's stack ends at 8,000."""


def require_storable(fields: Mapping[bytes, bytes]) -> None:
    """Raises ValueError for fields that no store takes as one checkpoint: a fault in the caller, not in the data."""
    if NEXT not in fields:
        raise ValueError("a checkpoint needs the field _next")
    if len(fields) > MOST_FIELDS:
        raise ValueError(f"{len(fields)} fields in one checkpoint, at most {MOST_FIELDS} fit: checkpoint more often")
