"""Figures that are computed from stored ones."""

import numpy as np
import pytest

from streams.metrics.derived import PeopleShare
from streams.windows import uniques

SHARE = PeopleShare(name="spared_ratio", help="Share of people who were spared.", whole="everybody", without="hit")


class Drawn:
    """A view of s draws of so many people, of whom some were hit."""

    def __init__(self, people: int, hit: int, draws: int) -> None:
        rng = np.random.default_rng(1)
        self._seen = [rng.integers(1, 2**63, people).astype(np.uint64) for _ in range(draws)]
        self._counts = {"everybody": people, "hit": hit}

    def registers(self, name: str) -> np.ndarray:
        found = np.zeros((len(self._seen), uniques.REGISTERS), dtype=np.uint8)
        for row, seen in zip(found, self._seen, strict=True):
            np.maximum.at(row, *uniques.registers(seen[: self._counts[name]]))
        return found


@pytest.mark.parametrize(("people", "hit"), [(2_000, 1_000), (50_000, 15_000), (200_000, 10_000)])
def test_the_interval_of_a_share_of_people_knows_that_both_are_estimates(people: int, hit: int) -> None:
    """It holds the truth at least 19 times in 20, however many there are, and less one chance of four standard errors."""
    (found,) = SHARE.read(Drawn(people, hit, draws=60))  # type: ignore[arg-type]
    assert found.low is not None
    assert found.high is not None
    held = (found.low <= 1 - hit / people) & (1 - hit / people <= found.high)
    assert held.mean() > 0.95 - 4 * np.sqrt(0.95 * 0.05 / 60)


def test_where_nobody_was_hit_the_share_is_whole() -> None:
    """And where more seem to be hit than there are, it is none."""
    (nobody,) = SHARE.read(Drawn(500, 0, draws=1))  # type: ignore[arg-type]
    (everybody,) = SHARE.read(Drawn(500, 500, draws=1))  # type: ignore[arg-type]
    assert (nobody.value[0], everybody.value[0]) == (1, 0)
