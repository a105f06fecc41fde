"""Formulas against published vectors and exact computations."""

import numpy as np
import pytest

from streams.metrics import formulas


def one(value: float) -> np.ndarray:
    return np.array([value], dtype=np.float64)


def test_wilson_against_published_values() -> None:
    """Newcombe (1998), table I: 81 of 263, 15 of 148, 0 of 20, 1 of 29, without continuity correction."""
    expected = {(81, 263): (0.2553, 0.3662), (15, 148): (0.0624, 0.1605), (0, 20): (0.0, 0.1611), (1, 29): (0.0061, 0.1718)}
    for (k, n), (low, high) in expected.items():
        found = formulas.wilson(one(k), one(n))
        assert found[0][0] == pytest.approx(low, abs=5e-5)
        assert found[1][0] == pytest.approx(high, abs=5e-5)


def test_four_samples_prove_little() -> None:
    """One failure in four is anything from 5 % to 70 %."""
    low, high = formulas.wilson(one(1), one(4))
    assert low[0] < 0.05
    assert high[0] > 0.69


@pytest.mark.parametrize(("part", "whole", "error"), [(81, 263, 0), (500, 500, 0.1)])
def test_a_share_of_estimates_is_wilsons_where_they_are_exact(part: int, whole: int, error: float) -> None:
    """As they are without an error, and where nothing is beside the part: of nobody the estimate is 0."""
    found, wilson = formulas.estimated_share(one(part), one(whole), error), formulas.wilson(one(part), one(whole))
    assert np.concatenate(found) == pytest.approx(np.concatenate(wilson))


def test_a_share_of_estimates_is_as_wide_as_they_err_where_samples_are_many() -> None:
    """1.96 · √2 · 2 % of the rest: 0.1 ± 0.0055, less what is beyond 1."""
    low, high = formulas.estimated_share(one(9e9), one(1e10), 0.02)
    assert (low[0], high[0]) == pytest.approx((0.9 - 0.00554, 0.9 + 0.00554), abs=1e-4)
    assert formulas.estimated_share(one(1e9), one(1e10), 0.4)[0][0] == 0


def test_poisson_against_exact_limits() -> None:
    """Garwood's exact limits for 0, 1, 5, 10, 100 events."""
    for count, low, high in ((0, 0, 3.689), (1, 0.0253, 5.572), (5, 1.623, 11.668), (10, 4.795, 18.39), (100, 81.36, 121.63)):
        found = formulas.poisson(one(count))
        assert found[0][0] == pytest.approx(low, abs=0.02)
        assert found[1][0] == pytest.approx(high, rel=0.01)


def test_apdex_vector() -> None:
    """T = 2 s over 1, 2, 3, 8, 9 s and one failed load: (2 + 2/2) / 6."""
    assert formulas.apdex(one(2), one(2), one(2))[0][0] == 0.5


def test_nothing_gives_nothing() -> None:
    """At n = 0 a share is nan, never 0 or 1."""
    assert np.isnan(formulas.share(one(0), one(0))[0])
    assert np.isnan(formulas.apdex(one(0), one(0), one(0))[0][0])


def test_the_rank_of_a_quantile() -> None:
    """Rank ⌊q·(n−1)⌋, and an interval around it that stays inside."""
    rank, low, high = formulas.quantile_ranks(0.75, np.array([1, 5, 1000]))
    assert rank.tolist() == [0, 3, 749]
    assert (low <= rank).all()
    assert (high <= [0, 4, 999]).all()
