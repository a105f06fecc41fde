"""Sparse content of series, and the bytes that are stored of it (docs/decisions/0012-narrow-numbers.md)."""

import struct
from dataclasses import dataclass

import numpy as np

Array = np.ndarray
HEADER = struct.Struct("<4I6B")  # rows, cells, buckets, registers; bytes of a place and of a value of each
_WIDTHS = tuple(map(np.dtype, 9 * ["<u1"] + 8 * ["<u2"] + 16 * ["<u4"] + 32 * ["<u8"]))  # by how many bits a number has
_KINDS = np.int64, np.uint32, np.uint8  # of values, once read


@dataclass(frozen=True, slots=True)
class Rows:
    """Sparse content of some series: `series` int64[r] ascending, and (index into r × width, value) pairs of each array."""

    series: Array
    cells: tuple[Array, Array]
    buckets: tuple[Array, Array]
    registers: tuple[Array, Array]

    def encode(self) -> bytes:
        """The inverse of `decode`; the same content always gives the same bytes. Places are kept as steps from one to the next,
        and numbers in as few bytes as the largest of their array needs."""
        arrays = [self.series.astype("<u4")]
        for index, value in (self.cells, self.buckets, self.registers):
            arrays += [_narrow(_steps(index)), _narrow(value)]
        header = HEADER.pack(*(array.size for array in arrays[::2]), *(array.itemsize for array in arrays[1:]))
        return b"".join((header, *(array.data for array in arrays)))


def decode(content: bytes) -> Rows:
    """Reads what `Rows.encode` wrote."""
    rows, cells, buckets, registers, *sizes = HEADER.unpack_from(content)
    at, arrays = HEADER.size, []
    for count, size in zip((rows, cells, cells, buckets, buckets, registers, registers), (4, *sizes), strict=True):
        arrays.append(np.frombuffer(content, f"<u{size}", count, at))
        at += count * size
    series, *others = arrays
    pairs = zip(others[::2], others[1::2], _KINDS, strict=True)
    return Rows(series.astype(np.int64), *((steps.cumsum(dtype=np.int64), value.astype(kind)) for steps, value, kind in pairs))


def _steps(ascending: Array) -> Array:
    steps = ascending.copy()
    steps[1:] -= ascending[:-1]
    return steps


def _narrow(numbers: Array) -> Array:
    """In as few bytes as the largest needs; eight where one is negative."""
    if numbers.itemsize == 1:
        return numbers
    most = np.maximum.reduce(numbers.view(f"u{numbers.itemsize}"), initial=0)
    return numbers.astype(_WIDTHS[int(most).bit_length()])
