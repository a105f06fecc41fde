"""A pane that rests is what was stored of it, and nobody can tell it from one that does not."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.metrics.stored import Added
from streams.windows.pane import BLOCKS, Pane
from streams.windows.partition import CellsOnly
from streams.windows.rows import HEADER, Rows, decode

WIDTHS = CellsOnly(3, 4, 5)
NOTHING = np.empty(0, dtype=np.int64)


def added(*events: tuple[int, int, int]) -> tuple[np.ndarray, Added]:
    """One event each: its series, a column, an amount."""
    series, column, amount = (np.array(values, dtype=np.int64) for values in zip(*events, strict=True))
    each = np.arange(series.size)
    one = Added((each, column % 3), (each, column % 3, amount), (each, column % 4), (each, column % 5, amount.astype(np.uint8)))
    return series[:, None], one


def content(pane: Pane, rests: bool = False) -> dict[int, bytes]:
    pane.rest() if rests else pane.wake()
    return dict(pane.encoded(np.unique(pane.series() % BLOCKS).tolist()))


events = st.lists(st.tuples(st.integers(0, 70), st.integers(0, 60), st.integers(1, 50)), min_size=1, max_size=8)


@settings(deadline=None)
@given(st.lists(st.tuples(events, st.sampled_from([Pane.rest, Pane.wake, Pane.series])), max_size=6), st.booleans())
def test_resting_changes_nothing(
    batches: list[tuple[list[tuple[int, int, int]], Callable[[Pane], object]]], rests: bool
) -> None:
    """Whatever comes to a pane that rests, rests again or is woken, all of it is there."""
    plain, restful = Pane(WIDTHS), Pane(WIDTHS)
    for batch, then in batches:
        for pane in (plain, restful):
            pane.add(*added(*batch))
        then(restful)
    assert content(restful, rests) == content(plain)
    assert (restful.series() == plain.series()).all()
    assert (restful.changed == plain.changed).all()


@settings(deadline=None)
@given(events, events, st.booleans())
def test_merging_is_adding_in_one_pane(
    first: list[tuple[int, int, int]], second: list[tuple[int, int, int]], rests: bool
) -> None:
    """All that a pane holds is merged, whether it rests, is awake, or has been added to since it rests."""
    both, one, other = Pane(WIDTHS), Pane(WIDTHS), Pane(WIDTHS)
    both.add(*added(*first, *second, *first))
    one.add(*added(*first))
    other.add(*added(*second))
    if rests:
        other.rest()
    other.add(*added(*first))
    one.merge(other)
    assert content(one) == content(both)


def pairs(values: st.SearchStrategy[int], kind: type[np.generic]) -> st.SearchStrategy[tuple[np.ndarray, np.ndarray]]:
    """Ascending places and a value each."""
    some = st.dictionaries(st.integers(0, 2**32 - 1), values, max_size=6)
    return some.map(lambda found: (np.array(sorted(found), np.int64), np.array([found[key] for key in sorted(found)], kind)))


CELLS = pairs(st.integers(-(2**63), 2**63 - 1), np.int64)
BUCKETS = pairs(st.integers(1, 2**32 - 1), np.uint32)
REGISTERS = pairs(st.integers(1, 60), np.uint8)


@given(st.sets(st.integers(0, 2**32 - 1), max_size=6), CELLS, BUCKETS, REGISTERS)
def test_what_is_stored_is_read_again(
    series: set[int],
    cells: tuple[np.ndarray, np.ndarray],
    buckets: tuple[np.ndarray, np.ndarray],
    registers: tuple[np.ndarray, np.ndarray],
) -> None:
    """However large the numbers; and what is read is stored as the same bytes."""
    arrays = cells, buckets, registers
    rows = Rows(np.array(sorted(series), np.int64), *arrays)
    read = decode(rows.encode())
    assert read.series.tolist() == rows.series.tolist()
    for (places, values), (places_read, values_read) in zip(arrays, (read.cells, read.buckets, read.registers), strict=True):
        assert places_read.tolist() == places.tolist()
        assert values_read.tolist() == values.tolist()
        assert values_read.dtype == values.dtype
    assert read.encode() == rows.encode()


@given(st.lists(st.integers(1, 2**16 - 1), min_size=1, max_size=6))
def test_how_wide_an_array_is_does_not_show(counts: list[int]) -> None:
    """A sketch's buckets become wider while a pane is open; what is stored is the same."""
    places, nothing = np.arange(len(counts)), (NOTHING, NOTHING)
    narrow, wide = (
        Rows(NOTHING, nothing, (places, np.array(counts, kind)), nothing).encode() for kind in (np.uint16, np.uint32)
    )
    assert narrow == wide


@pytest.mark.parametrize(("largest", "width"), [(255, 1), (256, 2), (2**16, 4), (2**32, 8), (-1, 8)])
def test_numbers_take_as_much_as_the_largest_needs(largest: int, width: int) -> None:
    """A step of one byte each, and the values."""
    cells = np.arange(2), np.array([1, largest])
    content = Rows(NOTHING, cells, (NOTHING, NOTHING), (NOTHING, NOTHING)).encode()
    assert len(content) == HEADER.size + 2 * (1 + width)


def test_what_comes_late_takes_little_room() -> None:
    """A series of a thousand does not bring the others back into memory."""
    pane = Pane(WIDTHS)
    pane.add(*added(*((series, 1, 7) for series in range(1000))))
    pane.rest()
    pane.add(*added((4, 1, 7)))
    assert pane.cells.shape[0] < 10
    pane.wake()
    assert pane.cells.shape[0] > 1000


def test_a_pane_without_sketches_takes_the_cells_of_one_that_has() -> None:
    """Lifetime totals keep counters and sums only."""
    totals, pane = Pane(CellsOnly(3)), Pane(WIDTHS)
    pane.add(*added((4, 1, 7)))
    for rows in pane.content():
        totals.take(rows)
    (rows,) = (decode(found) for found in content(totals).values())
    assert rows.cells[1].tolist() == [8]
    assert rows.buckets[1].size == rows.registers[1].size == 0


def test_a_resting_pane_holds_no_arrays() -> None:
    """That is what it rests for."""
    pane = Pane(WIDTHS, rows=1000)
    pane.add(*added((4, 1, 7)))
    assert pane.cells.size == 3000
    pane.rest()
    assert pane.cells.size == pane.buckets.size == pane.registers.size == 0


def test_what_was_stored_is_put_to_rest() -> None:
    """A pane that is restored needs its arrays only when somebody adds to it."""
    pane, other = Pane(WIDTHS), Pane(WIDTHS)
    pane.add(*added((4, 1, 7), (36, 2, 9), (5, 0, 1)))
    for block, stored in content(pane).items():
        other.put(block, stored)
    assert other.used == 1
    assert content(other, rests=True) == content(pane)
    other.add(*added((4, 1, 7)))
    pane.add(*added((4, 1, 7)))
    assert content(other, rests=True) == content(pane)


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("rests", [False, True])
def test_a_bucket_holds_more_than_fit_in_two_bytes(parts: int, rests: bool) -> None:
    """Whether they come as events or from other panes."""
    pane, each = Pane(WIDTHS), 70_000 // parts
    for _ in range(parts):
        other = Pane(WIDTHS)
        other.add(*added(*[(4, 1, 1)] * each))
        pane.merge(other)
        if rests:
            pane.rest()
    ((_, stored),) = pane.encoded([4])
    assert decode(stored).buckets[1].tolist() == [70_000]


@pytest.mark.parametrize("rests", [False, True])
def test_series_that_were_given_back_are_gone(rests: bool) -> None:
    """Their numbers will be given to others."""
    pane = Pane(WIDTHS)
    pane.add(*added((4, 1, 7), (36, 2, 9)))
    if rests:
        pane.rest()
    pane.clear(np.array([4, 99]))
    assert pane.series().tolist() == [36]
    ((_, stored),) = pane.encoded([4])
    assert decode(stored).series.tolist() == [36]
    pane.add(*added((5, 1, 7)))
    pane.wake()
    assert pane.used == 1 + 2, "rows that were given up are others'"
