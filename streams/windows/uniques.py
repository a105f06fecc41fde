"""Counting distinct people: HyperLogLog registers, mergeable by their maximum.

Estimator: Otmar Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6: unbiased from
zero up, without switching between formulas.
"""

from collections.abc import Sequence

import numpy as np
import xxhash

Array = np.ndarray
PRECISION = 11
REGISTERS = 1 << PRECISION  # 2048 bytes a set
STANDARD_ERROR = 1.04 / REGISTERS**0.5  # relative, 2.3 %: Flajolet, Fusy, Gandouet and Meunier (2007)
_TAIL_BITS = 64 - PRECISION


_digest = xxhash.xxh3_64_intdigest


def hash64(text: str) -> int:
    """64-bit hash of an identity that needs no secrecy, never 0."""
    return _digest(text.encode()) or 1


def hashes64(texts: Sequence[str | None]) -> Array:
    """uint64[n]: `hash64` of each, 0 where there is none."""
    if all(texts):
        found = np.fromiter(map(_digest, map(str.encode, texts)), np.uint64, len(texts))  # type: ignore[arg-type]
        return np.maximum(found, np.uint64(1))
    return np.array([hash64(text) if text else 0 for text in texts], dtype=np.uint64)


def registers(hashes: Array) -> tuple[Array, Array]:
    """uint64[n] hashes → (int64[n] register, uint8[n] its candidate value)."""
    mixed = hashes * np.uint64(0x9E3779B97F4A7C15)  # hashes of any origin: spread them once more
    mixed ^= mixed >> np.uint64(32)
    tail = mixed & np.uint64((1 << _TAIL_BITS) - 1)
    # 1 + the number of zeros before the tail's first set bit; 53 bits are exact in a float64, whose exponent is the bit length
    rank = _TAIL_BITS + 1 - np.frexp(tail.astype(np.float64))[1]
    return (mixed >> np.uint64(_TAIL_BITS)).astype(np.int64), rank.astype(np.uint8)


def estimate(rows: Array) -> Array:
    """uint8 [s, REGISTERS] → float64 [s]: how many distinct hashes each row has seen."""
    q = _TAIL_BITS
    size = rows.shape[0]
    keys = rows.astype(np.int64) + 64 * np.arange(size)[:, None]
    counts = np.bincount(keys.ravel(), minlength=64 * size).reshape(size, 64).astype(np.float64)
    z = REGISTERS * _tau(1 - counts[:, q + 1] / REGISTERS)
    for k in range(q, 0, -1):
        z = 0.5 * (z + counts[:, k])
    z = z + REGISTERS * _sigma(counts[:, 0] / REGISTERS)
    with np.errstate(divide="ignore"):
        return np.where(np.isinf(z), 0.0, REGISTERS**2 / (2 * np.log(2)) / z)


def _sigma(x: Array) -> Array:
    empty, x = x == 1.0, np.where(x == 1.0, 0.0, x)
    y, z = 1.0, x
    while x.any():
        x = x * x
        z = z + x * y
        y = y + y
    return np.where(empty, np.inf, z)


def _tau(x: Array) -> Array:
    inside = (x > 0) & (x < 1)
    if not inside.any():  # as a rule: nobody has the highest rank
        return np.zeros_like(x)
    x = np.where(inside, x, 0.5)
    y, z = np.ones_like(x), 1 - x
    for _ in range(64):
        x = np.sqrt(x)
        y = 0.5 * y
        z = z - (1 - x) ** 2 * y
    return np.where(inside, z / 3, 0.0)
