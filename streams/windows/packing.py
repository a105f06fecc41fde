"""Two fields of a partition's hash as bytes: which field was written when, and what waits now."""

import struct

import numpy as np

from streams.metrics.columns import Columns
from streams.windows.series import SeriesIndex

Array = np.ndarray
Versions = dict[tuple[int, int], int]
_VERSION = np.dtype([("pane", "<i8"), ("block", "<u2"), ("version", "<i8")])
_HEAD = struct.Struct("<I")


def pack_versions(versions: Versions) -> bytes:
    """(pane, minute or kind; block) → the position after which the field was last written."""
    return np.array([(pane, block, v) for (pane, block), v in sorted(versions.items())], dtype=_VERSION).tobytes()


def unpack_versions(content: bytes) -> Versions:
    """The inverse of `pack_versions`."""
    return {(pane, block): version for pane, block, version in np.frombuffer(content, _VERSION).tolist()}


def pack_live(waiting: list[tuple[object, int]], series: SeriesIndex) -> bytes:
    """By series: how many wait, and since when the oldest does."""
    found: dict[int, tuple[int, int]] = {}
    codes = series.look_up(Columns([scope for scope, _ in waiting])).tolist() if waiting else []
    for row, (_, since) in zip(codes, waiting, strict=True):
        for number in row:
            if number >= 0:
                count, oldest = found.get(number, (0, since))
                found[number] = count + 1, min(oldest, since)
    rows = sorted(found.items())
    numbers, counts = np.array([n for n, _ in rows], "<u4"), np.array([c for _, (c, _) in rows], "<u4")
    return _HEAD.pack(len(rows)) + numbers.tobytes() + counts.tobytes() + np.array([s for _, (_, s) in rows], "<i8").tobytes()


def unpack_live(content: bytes) -> tuple[Array, Array, Array]:
    """(series, count, oldest since epoch ms), int64 each."""
    (n,) = _HEAD.unpack_from(content)
    at = _HEAD.size
    numbers, counts = np.frombuffer(content, "<u4", n, at), np.frombuffer(content, "<u4", n, at + 4 * n)
    return numbers.astype(np.int64), counts.astype(np.int64), np.frombuffer(content, "<i8", n, at + 8 * n)
