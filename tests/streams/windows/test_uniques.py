"""Different people, counted without keeping them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.windows import uniques


def registers(names: list[str]) -> np.ndarray:
    row = np.zeros(uniques.REGISTERS, dtype=np.uint8)
    index, rank = uniques.registers(np.array([uniques.hash64(name) for name in names], dtype=np.uint64))
    np.maximum.at(row, index, rank)
    return row


@pytest.mark.parametrize("count", [0, 1, 10, 100, 1_000, 5_000, 50_000, 200_000])
def test_the_estimate_is_within_four_standard_errors(count: int) -> None:
    """From nobody to many, without a jump between formulas."""
    found = uniques.estimate(registers([f"user-{i}" for i in range(count)])[None, :])[0]
    assert abs(found - count) <= max(4 * 1.04 / np.sqrt(uniques.REGISTERS) * count, 0.5)


@given(st.lists(st.text(max_size=5)), st.lists(st.text(max_size=5)))
def test_merging_is_counting_together(one: list[str], other: list[str]) -> None:
    """The maximum of two sets' registers is what both would have given."""
    assert (np.maximum(registers(one), registers(other)) == registers(one + other)).all()
