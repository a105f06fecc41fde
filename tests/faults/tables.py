"""What the keyed tables of a hash say, in the words of the oracle. Read by the published form of the fields alone."""

import json
import struct
from collections.abc import Mapping
from typing import Any

HOUR_MS, HOURS_KEPT = 3_600_000, 24
BLOCKS = 256  # of contacts: a row lies in the block of its number, or nobody finds it
ROW = ("touched", "queued", "outcome", "outcome_at", "unpaired", "ended", "resolved", "replied", "handled", "scope")
Table = dict[tuple[Any, int], Any]


def stored(family: str, fields: Mapping[bytes, bytes], folded_until: int) -> Table:
    """Contacts: (block, contact) → what is remembered of it. Sessions: (kind, hour) → their numbers in the order they came,
    without the hours that are over and await their deletion."""
    contents = {field.decode().removeprefix("t:"): content for field, content in fields.items() if field[:2] == b"t:"}
    return _contacts(contents) if family == "contact" else _firsts(contents, folded_until)


def _contacts(contents: Mapping[str, bytes]) -> Table:
    rows = ((int(block), row) for block, content in contents.items() for row in json.loads(content))
    return {(block, name): dict(zip(ROW, values, strict=True)) for block, (name, *values) in rows}


def _firsts(contents: Mapping[str, bytes], folded_until: int) -> Table:
    found: Table = {}
    for kind, hour, chunk in sorted(
        (kind, int(hour), int(chunk)) for kind, hour, chunk in (key.split(":") for key in contents)
    ):
        if hour >= folded_until // HOUR_MS - HOURS_KEPT:
            content = contents[f"{kind}:{hour}:{chunk}"]
            found.setdefault((kind, hour), []).extend(struct.unpack(f"<{len(content) // 8}Q", content))
    return found
