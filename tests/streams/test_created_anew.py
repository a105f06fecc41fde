"""A topic that is deleted and created anew: noticed before anything of the new log is counted, and gone on with by `reset`."""

import copy

import numpy as np
import pytest

from streams import reset
from streams.metrics.columns import Columns
from streams.pipeline import Pipeline
from streams.state.memory_store import MemoryStore
from streams.windows.partition import Partition
from streams.windows.position import NOWHERE, branched
from tests.streams.fakes import FakeLog, drain
from tests.streams.records import Raw, page
from tests.streams.test_pipeline import PAGES, Ticks, build, joined
from tests.streams.windows.test_partition import content
from tests.streams.world import World, partition, total

OLD, NEW = "the old one", "the new one"
COUNTED_OLD = branched(NOWHERE, 0, OLD)  # where counting the old log begins
STATE_ONLY = (b"_next", b"_log")


def pages(count: int, at: int = 0, first: int = 0) -> list[Raw]:
    return [page(first + i, 1000 * (at + i), id=f"{at + i}", page=f"/{i % 3}") for i in range(count)]


async def counted(store: MemoryStore, records: list[Raw]) -> FakeLog:
    """A log whose records are all stored."""
    log = FakeLog({PAGES: records})
    log.ids[PAGES.topic] = OLD
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    await drain(pipeline, log)
    return log


def create_anew(log: FakeLog, records: list[Raw], topic_id: str = NEW) -> None:
    log.records[PAGES], log.ids[PAGES.topic] = records, topic_id


async def go_on(store: MemoryStore, log: FakeLog) -> None:
    """What `xmon topics reset` does."""
    found = reset.Found(log.ids[PAGES.topic], {PAGES.number: await log.bounds(PAGES)})
    for stored in await reset.look(store, PAGES.topic):
        move = reset.move(stored, found)
        assert move
        assert await reset.go_on(store, move)


async def quiet(*logs: list[Raw]) -> dict[bytes, bytes]:
    """What is stored when all these records come from one log."""
    store, records = MemoryStore(), [record for log in logs for record in log]
    await counted(store, [Raw(i, record.timestamp, record.value) for i, record in enumerate(records)])
    return state(store)


def state(store: MemoryStore) -> dict[bytes, bytes]:
    return {name: value for name, value in content(store.hashes[PAGES]).items() if name not in STATE_ONLY}


def problem(pipeline: Pipeline) -> str:
    (status,) = (runner.status() for runner in pipeline._runners.values())
    return status.problem


async def test_a_log_that_has_overtaken_the_state_is_not_taken_for_the_old_one() -> None:
    """The topic was created anew while no worker ran: its id is another one, so nothing of it is counted."""
    store = MemoryStore()
    await counted(store, pages(20))
    before, log = copy.deepcopy(store.hashes), FakeLog({})
    create_anew(log, pages(30, at=100))
    log.starts[PAGES] = 0
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    await drain(pipeline, log)
    assert store.hashes == before
    assert "created anew" in problem(pipeline)
    assert "xmon topics reset experience.page-load" in problem(pipeline)


@pytest.mark.parametrize("length", [5, 20, 50])
async def test_nothing_is_counted_of_a_topic_created_anew_beneath_a_worker(length: int) -> None:
    """Shorter, as long or longer than what was read: the fetcher may go on as if nothing had happened, the count does not."""
    store = MemoryStore()
    log = await counted(store, pages(20))
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    await drain(pipeline, log)
    before = copy.deepcopy(store.hashes)
    create_anew(log, pages(length, at=100))
    await drain(pipeline, log)
    log.records[PAGES] += pages(30, at=200, first=length)
    await drain(pipeline, log)
    assert store.hashes == before
    assert "created anew" in problem(pipeline)
    assert log.written == []


@pytest.mark.parametrize("length", [5, 20, 50])
async def test_after_a_reset_all_of_the_new_log_is_counted_and_nothing_of_the_old_one_is_lost(length: int) -> None:
    """The worker that stands still goes on by itself, and the state is that of both logs' records, one after the other."""
    store = MemoryStore()
    log = await counted(store, pages(20))
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    create_anew(log, pages(length, at=100))
    await drain(pipeline, log)
    await go_on(store, log)
    for _ in range(10):
        await pipeline.tick()
    await drain(pipeline, log)
    assert state(store) == await quiet(pages(20), pages(length, at=100))
    assert int(store.hashes[PAGES][b"_next"]) == branched(COUNTED_OLD + 20, 0, NEW) + length
    assert store.hashes[PAGES][b"_log"] == NEW.encode()
    assert problem(pipeline) == ""


async def test_a_zombie_of_the_old_log_cannot_write_where_the_new_one_has_come_to_the_same_offset() -> None:
    """Even where brokers give no ids: the positions of two logs are never the same."""
    store = MemoryStore()
    log = await counted(store, pages(20))
    clock = Ticks(step=0)
    zombie = build(store, log, "zombie", clock)
    await zombie.positions([PAGES])
    await zombie.tick()
    clock.now = -1.0  # its next write is not due yet
    log.records[PAGES] += pages(10, at=20, first=20)
    held = log.fetch(PAGES, 10)
    assert held
    await zombie.feed(held)
    await zombie.tick()
    log.ids.clear()
    log.records[PAGES] = pages(5, at=100)
    await go_on_without_ids(store, log)
    log.records[PAGES] = pages(20, at=100)
    worker = build(store, log)
    await worker.positions([PAGES])
    await drain(worker, log)
    assert store.hashes[PAGES][b"_next"] == b"%d" % (branched(COUNTED_OLD + 20, 0) + 20)
    after = copy.deepcopy(store.hashes)
    clock.step = 0.3
    await zombie.tick()
    await drain(zombie, log)
    assert store.hashes == after
    assert state(store) == await quiet(pages(20), pages(20, at=100))


async def go_on_without_ids(store: MemoryStore, log: FakeLog) -> None:
    log.ids[PAGES.topic] = ""
    await go_on(store, log)


async def test_a_reset_that_the_store_forgets_is_noticed() -> None:
    """A store that falls back to before it has the old log again: the worker stands still, and a second reset mends it."""
    store = MemoryStore()
    log = await counted(store, pages(20))
    before = copy.deepcopy(store.hashes)
    create_anew(log, pages(30, at=100))
    await go_on(store, log)
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    await drain(pipeline, log)
    store.hashes = before
    for _ in range(10):
        await pipeline.tick()
    await drain(pipeline, log)
    assert "created anew" in problem(pipeline)
    await go_on(store, log)
    for _ in range(10):
        await pipeline.tick()
    await drain(pipeline, log)
    assert state(store) == await quiet(pages(20), pages(30, at=100))


async def test_a_zombie_of_a_reset_that_the_store_forgot_is_refused_after_the_next() -> None:
    """The store has fallen back to before the end of the old log, whose last records are gone: the zombie counted them."""
    store = MemoryStore()
    log = await counted(store, pages(18))
    before = copy.deepcopy(store.hashes)
    log.records[PAGES] += pages(2, at=18, first=18)
    await drain(await joined(store, log), log)
    create_anew(log, pages(30, at=100))
    await go_on(store, log)
    zombie_log = FakeLog(log.records)
    zombie_log.ids = log.ids
    zombie = await joined(store, zombie_log)
    await drain(zombie, zombie_log)
    store.hashes = before
    await go_on(store, log)
    await drain(await joined(store, log), log)
    log.records[PAGES] += pages(5, at=130, first=30)
    await drain(zombie, zombie_log)
    assert state(store) == await quiet(pages(18), pages(35, at=100))


async def test_readers_see_the_new_log_where_its_offsets_are_the_old_ones() -> None:
    """What is written at an offset of the new log is never taken for what was written at the same one of the old log."""
    pages_0 = partition("page-load")
    world = World(pages_0)
    world.log.ids[pages_0.topic] = OLD
    world.write(pages_0, *[{"page": "/"}] * 3)
    assert total(await world.at(0), "page_views") == 3
    world.log.records[pages_0] = []
    world.log.ids[pages_0.topic] = NEW
    world.write(pages_0, *[{"page": "/"}] * 3)
    (stored,) = await reset.look(world.store, pages_0.topic)
    move = reset.move(stored, reset.Found(NEW, {0: (0, 3)}))
    assert move
    assert await reset.go_on(world.store, move)
    world.now_ms += 3000  # the worker looks at the store, and counts before anybody reads
    await world.work()
    await world.work()
    snapshot = await world.at(6000)
    assert total(snapshot, "page_views") == 6
    assert snapshot.complete
    assert [one.next_offset for one in world.reader.health.partitions] == [3]


async def test_a_record_that_could_not_be_applied_says_nothing_of_the_new_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """An offset at which a mistake of ours was met holds another record now."""
    apply = Partition._apply

    def stumble(self: Partition, columns: Columns, times: np.ndarray) -> None:
        if "/stumble" in columns.values("page"):
            raise ZeroDivisionError("a mistake")
        apply(self, columns, times)

    monkeypatch.setattr(Partition, "_apply", stumble)
    store = MemoryStore()
    log = FakeLog({PAGES: [*pages(7), page(7, 7000, page="/stumble")]})
    log.ids[PAGES.topic] = OLD
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    await drain(pipeline, log)
    create_anew(log, pages(9, at=100))
    await drain(pipeline, log)
    await go_on(store, log)
    for _ in range(10):
        await pipeline.tick()
    await drain(pipeline, log)
    assert b'"dead_letters:invalid": 1, "records": 17' in store.hashes[PAGES][b"_meta"]
    assert [letter.record.offset for letter in log.written] == [7]


async def test_a_state_from_before_topics_had_ids_takes_the_one_there_is() -> None:
    """Brokers that are upgraded begin to give ids; from then on they are compared."""
    store = MemoryStore()
    log = await counted(store, pages(20))
    store.hashes[PAGES][b"_log"] = b""
    log.records[PAGES] += pages(5, at=20, first=20)
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    await drain(pipeline, log)
    assert (store.hashes[PAGES][b"_next"], store.hashes[PAGES][b"_log"]) == (b"%d" % (COUNTED_OLD + 25), OLD.encode())


async def test_brokers_that_give_no_ids_stop_nothing() -> None:
    """A broker that was put back to an older version."""
    store = MemoryStore()
    log = await counted(store, pages(20))
    log.ids.clear()
    log.records[PAGES] += pages(5, at=20, first=20)
    pipeline = build(store, log)
    await pipeline.positions([PAGES])
    await drain(pipeline, log)
    assert (store.hashes[PAGES][b"_next"], store.hashes[PAGES][b"_log"]) == (b"%d" % (COUNTED_OLD + 25), OLD.encode())
