"""Quantiles within two per cent, on every machine the same."""

import numpy as np
import pytest
from ddsketch import DDSketch
from hypothesis import given
from hypothesis import strategies as st

from streams.windows.sketch import ALPHA, Buckets, threshold_index

BUCKETS = Buckets(1_000, 120_000_000)  # 1 ms to 120 s in µs


def counts(values: list[int]) -> np.ndarray:
    return np.bincount(BUCKETS.index(np.array(values, dtype=np.int64)), minlength=len(BUCKETS))[None, :]


@given(st.lists(st.integers(1_000, 120_000_000), min_size=1, max_size=300), st.sampled_from([0, 0.5, 0.75, 0.95, 0.99, 1]))
def test_every_quantile_is_within_alpha(values: list[int], q: float) -> None:
    """Rank ⌊q·(n−1)⌋ of any values from 1 ms to 120 s, within 2 % of the exact one."""
    rank = int(q * (len(values) - 1))
    found = BUCKETS.quantiles(np.cumsum(counts(values), axis=1), np.array([[rank]]))[0, 0]
    assert found == pytest.approx(sorted(values)[rank], rel=ALPHA + 1e-9)


@given(st.lists(st.lists(st.integers(1_000, 200_000_000), max_size=50), min_size=1, max_size=5))
def test_series_do_not_know_of_each_other(rows: list[list[int]]) -> None:
    """Many at once, empty ones among them, give what each gives alone, at any ranks."""
    cumulative = np.concatenate([np.cumsum(counts(values), axis=1) for values in rows])
    ranks = np.array([[0, len(values) // 2, len(values) - 1, 99] for values in rows])
    found = BUCKETS.quantiles(cumulative, ranks)
    for row, values in enumerate(rows):
        places = [sorted(values)[min(rank, len(values) - 1)] for rank in ranks[row].tolist()] if values else []
        wanted = BUCKETS.estimates[BUCKETS.index(np.array(places, dtype=np.int64))].tolist() or [np.nan] * 4
        assert found[row].tolist() == pytest.approx(wanted, nan_ok=True)


def test_the_same_as_the_reference() -> None:
    """DDSketch's own library answers within the sum of both errors."""
    rng = np.random.default_rng(1)
    values = np.rint(rng.lognormal(14, 1, 5_000)).clip(1_000, 120_000_000).astype(np.int64)
    reference = DDSketch(ALPHA)
    for value in values.tolist():
        reference.add(value)
    for q in (0.5, 0.75, 0.95, 0.99):
        rank = np.array([[int(q * (values.size - 1))]])
        found = BUCKETS.quantiles(np.cumsum(counts(values.tolist()), axis=1), rank)[0, 0]
        assert found == pytest.approx(reference.get_quantile_value(q), rel=2.1 * ALPHA)


def test_bounds_are_few_whole_and_ascending() -> None:
    """At most 293 buckets and the one below; whole numbers, so no machine rounds otherwise."""
    assert len(BUCKETS) <= 295
    assert (np.diff(BUCKETS.bounds) > 0).all()
    assert BUCKETS.bounds.dtype == np.int64


def test_a_value_on_a_threshold_is_not_above_it() -> None:
    """`value ≤ good` is good."""
    assert threshold_index((2500, 4000), np.array([2499.9, 2500, 2500.1, 4000, 4000.1])).tolist() == [0, 0, 1, 1, 2]
