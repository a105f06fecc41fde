"""Quantiles from log-sized buckets: mergeable by adding counts, every quantile within `alpha` of the exact one.

The scheme is DDSketch (Masson, Rim, Lee: VLDB 2019) over integers: bounds are whole numbers, so the bucket of a value is
the same on every machine.
"""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

Array = np.ndarray
ALPHA = 0.02


class Buckets:
    """Bucket 0 holds values below `low`, bucket i the values in [bounds[i-1], bounds[i]), the last one all from there on."""

    def __init__(self, low: int, high: int, alpha: float = ALPHA) -> None:
        growth = (1 + alpha) / (1 - alpha)
        steps = int(np.ceil(np.log(high / low) / np.log(growth)))
        self.bounds = np.unique(np.rint(low * growth ** np.arange(steps + 1)).astype(np.int64))

    def __len__(self) -> int:
        return self.bounds.size + 1

    def index(self, values: Array) -> Array:
        """int64[n] values → int64[n] buckets."""
        return np.searchsorted(self.bounds, values, side="right")

    @cached_property
    def estimates(self) -> Array:
        """float64[len]: the value that stands for a bucket, within alpha of all that it holds."""
        low, high = self.bounds[:-1], self.bounds[1:] - 1
        inner = 2.0 * low * high / (low + high)
        return np.concatenate(([0.0], inner, [float(self.bounds[-1])]))

    @cached_property
    def lows(self) -> Array:
        """float64[len]: the least value that a bucket may hold."""
        return np.concatenate(([0.0], self.bounds.astype(np.float64)))

    @cached_property
    def highs(self) -> Array:
        """float64[len]: the greatest value that a bucket may hold; of the last one, which has no end, the least."""
        return np.concatenate((self.bounds - 1.0, [float(self.bounds[-1])]))

    def quantiles(self, cumulative: Array, ranks: Array, values: Array | None = None) -> Array:
        """Cumulative counts [s, len] → float64 [s, k]: the values at 0-based ranks [s, k] of each row; nan for empty rows.

        `values`: what stands for each bucket, its estimate where not given.
        """
        total = cumulative[:, -1:]
        rank = np.clip(ranks, 0, np.maximum(total - 1, 0)).astype(np.int64)
        row = np.arange(len(cumulative))[:, None]
        above = row * (total.max(initial=0) + 1)  # each row begins above the one before: one search goes through all of them
        found = np.searchsorted((cumulative + above).ravel(), rank + above, side="right") - row * len(self)
        values = self.estimates if values is None else values
        return np.where(total > 0, values[np.minimum(found, len(self) - 1)], np.nan)

    def variance(self, counts: Array) -> Array:
        """counts [s, len] → float64 [s]: variance around the mean; nan below two values."""
        n = counts.sum(axis=1).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = counts @ self.estimates / n
            squares = counts @ self.estimates**2
            return np.where(n > 1, np.maximum(squares - n * mean**2, 0) / (n - 1), np.nan)


def threshold_index(thresholds: Sequence[float], values: Array) -> Array:
    """float64[n] values → int64[n]: index of the first threshold that is not below the value (len(thresholds): none)."""
    return np.searchsorted(np.asarray(thresholds, dtype=np.float64), values, side="left")
