"""Where a partition goes on when its log is no longer the one that was counted."""

import pytest

from streams import reset
from streams.reset import Found, Stored
from streams.state.keys import PartitionId
from streams.state.memory_store import MemoryStore
from streams.status import PartitionStatus, WorkerStatus
from streams.windows.position import LOG, in_next_log, offset_of

PAGES = [PartitionId("experience.page-load", number) for number in range(3)]


@pytest.mark.parametrize(
    ("log", "found", "bounds", "position"),
    [
        ("a", "a", (0, 500), None),
        ("a", "a", (700, 900), None),  # retention: the worker counts the loss
        ("a", "b", (0, 200), LOG),
        ("a", "b", (0, 500), LOG),
        ("a", "b", (30, 9000), LOG + 30),
        ("a", "b", (0, 0), LOG),
        ("a", "a", (0, 200), LOG + 200),  # it lost its end: what is left was counted
        ("", "b", (0, 200), LOG),
        ("", "b", (0, 900), None),
        ("a", "", (20, 200), LOG + 20),
        ("a", "", (0, 900), None),
    ],
)
def test_where_a_partition_goes_on(log: str, found: str, bounds: tuple[int, int], position: int | None) -> None:
    """A new log from its start, the same log where it ends, and not at all where it is the one that was counted."""
    move = reset.move(Stored(PAGES[0], 500, log, ""), Found(found, {0: bounds}))
    assert (move and move.position) == position


def test_every_log_has_positions_of_its_own() -> None:
    """However often a topic is created anew, offsets come back and positions never do."""
    second = in_next_log(500, 0)
    third = in_next_log(second + 500, 7)
    assert [offset_of(position) for position in (500, second, second + 500, third)] == [500, 0, 500, 7]
    assert 500 < second < second + 500 < third


async def test_what_is_stored_of_a_topic_and_who_counts_it() -> None:
    """A worker that stands still holds nothing up; partitions that lost their state are not named."""
    store = MemoryStore()
    for partition in (*PAGES, PartitionId("experience.contact", 0)):
        await store.checkpoint(partition, None, {b"_next": b"7", b"_log": b"a"})
    store.hashes[PAGES[1]].clear()
    await store.announce("well", said("well", PAGES[0]), 60)
    await store.announce("standing", said("standing", PAGES[2], "the topic was created anew"), 60)
    assert await reset.look(store, PAGES[0].topic) == [Stored(PAGES[0], 7, "a", "well"), Stored(PAGES[2], 7, "a", "")]


def said(worker: str, partition: PartitionId, problem: str = "") -> bytes:
    counted = {"next": 7, "lag": 0, "age_seconds": 0, "checkpoint_seconds": 0, "checkpoint_bytes": 0}
    status = PartitionStatus(topic=partition.topic, number=partition.number, problem=problem, **counted)
    return WorkerStatus(worker, "1", 1, (status,)).encode()


async def test_a_partition_that_was_written_to_meanwhile_is_left_as_it_is() -> None:
    """Whoever counts is right; a second reset of the same sight changes nothing either."""
    store = MemoryStore()
    await store.checkpoint(PAGES[0], None, {b"_next": b"7", b"_log": b"a", b"l:0": b"totals"})
    (stored,) = await reset.look(store, PAGES[0].topic)
    move = reset.move(stored, Found("b", {0: (0, 3)}))
    assert move
    await store.checkpoint(PAGES[0], 7, {b"_next": b"9"})
    assert not await reset.go_on(store, move)
    store.hashes[PAGES[0]][b"_next"] = b"7"
    assert [await reset.go_on(store, move) for _ in range(2)] == [True, True]
    assert store.hashes[PAGES[0]] == {b"_next": b"%d" % LOG, b"_log": b"b", b"l:0": b"totals"}
