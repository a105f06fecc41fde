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
    codes = series.look_up(Columns([scope for scope, _ in waiting])) if waiting else np.empty((0, 1), dtype=np.int64)
    known = codes >= 0
    numbers, place = np.unique(codes[known], return_inverse=True)
    since = np.array([since for _, since in waiting], dtype=np.int64)
    oldest = np.full(numbers.size, np.iinfo(np.int64).max)
    np.minimum.at(oldest, place, np.broadcast_to(since[:, None], codes.shape)[known])
    counts = np.bincount(place, minlength=numbers.size)
    parts = (numbers.astype("<u4"), counts.astype("<u4"), oldest.astype("<i8"))
    return _HEAD.pack(numbers.size) + b"".join(part.tobytes() for part in parts)


def unpack_live(content: bytes) -> tuple[Array, Array, Array]:
    """(series, count, oldest since epoch ms), int64 each."""
    (n,) = _HEAD.unpack_from(content)
    at = _HEAD.size
    numbers, counts = np.frombuffer(content, "<u4", n, at), np.frombuffer(content, "<u4", n, at + 4 * n)
    return numbers.astype(np.int64), counts.astype(np.int64), np.frombuffer(content, "<i8", n, at + 8 * n)
