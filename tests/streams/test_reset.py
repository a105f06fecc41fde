"""Where a partition goes on when its log is no longer the one that was counted."""

import pytest

from streams import reset
from streams.reset import Found, Stored
from streams.state.keys import PartitionId
from streams.state.memory_store import MemoryStore
from streams.status import PartitionStatus, WorkerStatus
from streams.windows.position import LOG, branched, offset_of

PAGES = [PartitionId("experience.page-load", number) for number in range(3)]


@pytest.mark.parametrize(
    ("log", "found", "bounds", "offset"),
    [
        ("a", "a", (0, 500), None),
        ("a", "a", (700, 900), None),  # retention: the worker counts the loss
        ("a", "b", (0, 200), 0),
        ("a", "b", (0, 500), 0),
        ("a", "b", (30, 9000), 30),
        ("a", "b", (0, 0), 0),
        ("a", "a", (0, 200), 200),  # it lost its end: what is left was counted
        ("", "b", (0, 200), 0),
        ("", "b", (0, 900), None),
        ("a", "", (20, 200), 20),
        ("a", "", (0, 900), None),
    ],
)
def test_where_a_partition_goes_on(log: str, found: str, bounds: tuple[int, int], offset: int | None) -> None:
    """A new log from its start, the same log where it ends, and not at all where it is the one that was counted."""
    move = reset.move(Stored(PAGES[0], 500, log, ""), Found(found, {0: bounds}))
    assert (move and (move.offset, move.position > LOG)) == (None if offset is None else (offset, True))


def test_states_that_left_out_other_records_have_no_position_in_common() -> None:
    """Offsets come back and positions do not: where it left, where it goes on and in which log make the branch."""
    second = branched(500, 0, "b")
    ways = [(500, 0, "b"), (499, 0, "b"), (500, 7, "b"), (500, 0, "c"), (second, 0, "b"), (second + 500, 7, "c")]
    positions = [branched(*way) for way in ways]
    assert [offset_of(position) for position in positions] == [offset for _, offset, _ in ways]
    assert len({position // LOG for position in [500, *positions]}) == 7
    assert all(position < 1 << 63 for position in positions)
    assert positions == [branched(*way) for way in ways]


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
    assert store.hashes[PAGES[0]] == {b"_next": b"%d" % branched(7, 0, "b"), b"_log": b"b", b"l:0": b"totals"}
