"""What a reader shows of the stored state, and when it says that it does not know."""

import asyncio
import copy
from collections.abc import Awaitable, Callable, Collection, Sequence
from itertools import islice, pairwise
from math import isnan

import pytest

from monitor.demo.story import tell
from streams.metrics.registry import catalogue
from streams.reading.figures import Total
from streams.reading.reader import AT_ONCE, Reader
from streams.reading.replica import ATTEMPTS, UNREADABLE
from streams.reading.snapshot import Snapshot
from streams.reading.workers import LOST, UNREAD
from streams.state.errors import StoreUnavailable
from streams.state.keys import PartitionId
from streams.state.memory_store import MemoryStore
from streams.windows.packing import pack_versions, unpack_versions
from streams.windows.pane import BLOCKS
from streams.windows.storage import HEAD
from tests.streams.records import START
from tests.streams.world import PREFIX, World, by, partition, total, value

PAGES, CONTACTS, LINKS = partition("page-load"), partition("contact"), partition("link-error")
MINUTE, DAY = 60_000, 86_400_000


async def test_a_window_is_the_span_that_it_names() -> None:
    """Window and span agree, and each ends with the pane that is running."""
    world = World(PAGES)
    for second in range(0, 600, 5):
        world.now_ms = START + second * 1000
        world.write(PAGES, {"duration_ms": 100 + second})
        await world.work()
    snapshot = await world.at(601_000)
    for window, most in (("1m", 12), ("5m", 60), ("15m", 120), ("1h", 120)):
        span = snapshot.window(window)
        readings = snapshot.read("page_load_seconds", window)
        assert readings == snapshot.read_span("page_load_seconds", *span)
        assert span[1] == START + 610_000
        assert most - 2 <= readings[0].n <= most + 12  # the edge steps by whole minutes where panes are folded


async def test_spans_side_by_side_add_up() -> None:
    """Each event lies in exactly one of the spans that cover the hour, folded or not."""
    world = World(PAGES)
    for second in range(0, 900, 7):
        world.now_ms = START + second * 1000
        world.write(PAGES, {})
        await world.work()
    snapshot = await world.at(900_000)
    edges = [*range(START, START + 780_000, MINUTE), *range(START + 780_000, START + 910_001, 10_000)]
    counts = [_count(snapshot.read_span("page_views", *span)) for span in pairwise(edges)]
    assert sum(counts) == len(range(0, 900, 7)) == total(snapshot, "page_views")


async def test_a_span_that_cuts_a_folded_minute_is_answered_out_to_whole_minutes() -> None:
    """What no longer exists by the second is not guessed."""
    world = World(PAGES)
    world.write(PAGES, *[{}] * 3)
    await world.at(1000)
    for ms in (5 * MINUTE, 5 * MINUTE + 1000):  # the second record finds the first minute closed
        world.now_ms = START + ms
        world.write(PAGES, {})
        snapshot = await world.at(ms)
    assert snapshot.align(START + 20_000, START + 30_000) == (START, START + MINUTE)
    assert _count(snapshot.read_span("page_views", START + 20_000, START + 30_000)) == 3


async def test_what_is_not_shown_is_all_less_what_is() -> None:
    """The largest values are shown, the rest adds up to the total under `__other__`."""
    world = World(PAGES, shown=2)
    for page, views in (("/", 5), ("/cart", 3), ("/help", 2), ("/jobs", 1)):
        world.write(PAGES, *[{"page": page}] * views)
    snapshot = await world.at(1000)
    counted = by(snapshot, "page_views", "page", statistic="count")
    assert counted == {"/": 5, "/cart": 3, "__other__": 3}


@pytest.mark.parametrize("other", [0, 1])
async def test_a_value_once_shown_stays(other: int) -> None:
    """A counter would step back if a larger value took its place, whether or not there were others from the beginning."""
    world = World(PAGES, shown=1)
    world.write(PAGES, *[{"page": "/old"}] * 2, *[{"page": "/new"}] * other)
    await world.at(1000)
    world.write(PAGES, *[{"page": "/new"}] * (11 - other))
    counted = by(await world.at(2000), "page_views", "page", statistic="count")
    assert counted == {"/old": 2, "__other__": 11}


async def test_values_are_as_large_as_they_are_often() -> None:
    """One slow view does not take the place of many fast ones."""
    world = World(PAGES, shown=1)
    world.write(PAGES, {"page": "/slow", "duration_ms": 3_000_000}, *[{"page": "/fast", "duration_ms": 10}] * 50)
    counted = by(await world.at(1000), "page_views", "page", statistic="count")
    assert counted == {"/fast": 50, "__other__": 1}


async def test_a_value_unseen_for_a_day_gives_its_place_to_another() -> None:
    """What is shown follows what there is, without a restart."""
    world = World(PAGES, shown=1)
    world.write(PAGES, {"page": "/old"}, {"page": "/old"})
    await world.at(1000)
    for hour in range(1, 28):
        await world.at(hour * 60 * MINUTE)
        world.write(PAGES, *[{"page": "/new"}] * hour)
    counted = by(await world.at(27 * 60 * MINUTE + 1000), "page_views", "page", statistic="count")
    assert counted == {"/new": 27}


async def test_a_counter_of_a_value_that_only_one_partition_meets_does_not_step_back() -> None:
    """Another partition has not met it for a day. Nor does it where `serve` is started anew."""
    other = partition("page-load", 1)
    world = World(PAGES, other)
    world.write(PAGES, *[{"page": "/a"}] * 100)
    world.write(other, *[{"page": "/a"}] * 100)
    await world.at(0)
    for hour in range(1, 30):
        world.now_ms = START + hour * 60 * MINUTE
        world.write(PAGES, {"page": "/b"})
        world.write(other, {"page": "/a"})
        await world.at(hour * 60 * MINUTE)
    anew = Reader(world.store, catalogue(), "experience.", clock=world.seconds)
    for snapshot in (await world.at(29 * 60 * MINUTE + 1000), await anew.refresh(world.now_ms)):
        totals = {
            one.series.value: one.value
            for one in snapshot.totals()
            if one.series.dimension == "page" and one.figure == "page_views"
        }
        assert totals == {"/a": 229, "/b": 29}


async def test_no_samples_no_figure() -> None:
    """A figure at n = 0 is absent, never 0."""
    world = World(PAGES)
    world.write(PAGES, {"status": 500})
    snapshot = await world.at(1000)
    assert value(snapshot, "page_load_failure_ratio") == 1
    assert value(snapshot, "page_load_seconds") is None
    later = await world.at(10 * MINUTE)
    assert value(later, "page_load_failure_ratio") is None
    assert total(later, "page_views") == 1


async def test_counters_never_step_back() -> None:
    """A store that lost its last seconds is seen in windows, and never in a counter."""
    world = World(PAGES)
    world.write(PAGES, {})
    await world.at(1000)
    before = copy.deepcopy(world.store.hashes)
    world.write(PAGES, *[{}] * 5)
    assert total(await world.at(2000), "page_views") == 6
    world.store.hashes = before
    rolled_back = await world.at(2500, works=False)
    assert value(rolled_back, "page_views", statistic="count") == 1
    assert total(rolled_back, "page_views") == 6
    assert world.reader.health.records_total == {PAGES.topic: 6}
    world.write(PAGES, {})
    for ms in (5000, 8000):  # the worker compares, seeks back and repeats
        caught_up = await world.at(ms)
    assert total(caught_up, "page_views") == value(caught_up, "page_views", statistic="count") == 7


async def test_counters_wait_until_the_data_was_once_complete() -> None:
    """A reader that starts while a worker catches up would show a step that never happened."""
    world = World(PAGES)
    world.write(PAGES, {})
    await world.at(1000)
    world.reader = Reader(world.store, catalogue(), PREFIX, clock=world.seconds)
    world.now_ms += 20_000  # the worker's word has expired
    silent = await world.at(21_000, works=False)
    assert not silent.complete
    assert total(silent, "page_views") is None
    assert world.reader.health.records_total == {}
    assert value(silent, "page_views", statistic="count") == 1
    spoken = await world.at(22_000)
    assert spoken.complete
    assert total(spoken, "page_views") == 1
    assert world.reader.health.records_total == {PAGES.topic: 1}
    assert total(await world.at(60_000, works=False), "page_views") == 1  # once is enough


async def test_a_silent_worker_makes_figures_incomplete() -> None:
    """Five seconds without a word by the reader's own clock, whatever the worker's clock says."""
    world = World(PAGES)
    world.write(PAGES, {})
    assert (await world.at(1000)).complete
    assert (await world.at(6000, works=False)).complete
    silent = await world.at(6001, works=False)
    assert silent.problems == ("no worker is running: start one with `xmon worker`",)
    assert world.reader.health.state == "incomplete"


async def test_a_partition_that_nobody_reads_is_named() -> None:
    """One worker is alive and holds only one of two partitions."""
    other = partition("page-load", 1)
    world = World(PAGES, other)
    world.write(PAGES, {})
    world.write(other, {})
    assert (await world.at(1000)).complete
    world.pipeline.assigned([PAGES])
    assert (await world.at(3000)).problems == (f"experience.page-load:1: {UNREAD}",)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        b"no JSON",
        b"[]",
        b"{}",
        b'{"worker": "w", "version": "0", "sequence": 1, "partitions": [{"topic": "experience.page-load", "number": 0}]}',
        b'{"worker": [], "version": "0", "sequence": 1, "partitions": []}',
    ],
)
async def test_what_a_worker_says_and_nobody_understands_is_left_out(content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """As one of another version may that says less. It is told once; others are heard, and it too when it speaks plainly."""
    world = World(PAGES)
    world.write(PAGES, {})
    await world.at(1000)
    await world.store.announce("other", content, 60)
    for ms in (2000, 3000):
        assert (await world.at(ms)).complete
    [said] = caplog.messages
    assert said.startswith("what a worker says is left out: ")
    await world.store.announce("w", content, 60)
    silent = await world.at(3500, works=False)
    assert silent.problems == ("no worker is running: start one with `xmon worker`",)
    assert (await world.at(4000)).complete


async def test_a_partition_that_is_behind_is_named() -> None:
    """Records wait and the newest one applied is more than ten seconds old."""
    world = World(PAGES)
    world.write(PAGES, {})
    assert (await world.at(1000)).complete
    world.write(PAGES, {}, {})
    world.now_ms = START + 9_000
    await world.pipeline.tick()  # without having fetched
    assert (await world.at(9_000, works=False)).complete
    world.now_ms = START + 12_000
    await world.pipeline.tick()
    assert (await world.at(12_000, works=False)).problems == ("experience.page-load:0: 2 records behind",)


@pytest.mark.parametrize("late_ms", [0, 15_000])
async def test_events_that_come_late_are_not_behind(late_ms: int) -> None:
    """Where something always waits for the next checkpoint, what counts is that it is written soon, and not how old it was."""
    world = World(PAGES)
    for second in range(1, 40):
        world.now_ms = START + second * 1000
        while batch := world.log.fetch(PAGES, 500):
            await world.pipeline.feed(batch)
        world.write(PAGES, {"timestamp": world.now_ms - late_ms})  # nobody has taken it when the worker speaks
        await world.pipeline.tick()
        snapshot = await world.at(second * 1000, works=False)
    assert snapshot.problems == ()
    assert total(snapshot, "page_views") == 38
    for second in range(40, 52):
        world.now_ms = START + second * 1000
        await world.pipeline.tick()
        snapshot = await world.at(second * 1000, works=False)
    assert snapshot.problems == ("experience.page-load:0: 1 records behind",)


async def test_a_store_that_is_away_is_told_by_health_alone() -> None:
    """The last snapshot stays, its age grows, and after a quarter of a minute it is stale."""
    world = World(PAGES)
    world.write(PAGES, {})
    last = await world.at(1000)
    world.reader._source = Away()
    assert await world.at(8000, works=False) is last
    health = world.reader.health
    assert (health.up, health.age_seconds, health.state) == (False, 7.0, "incomplete")
    assert health.problems == ("the store of figures does not answer",)
    world.now_ms = START + 16_001
    assert world.reader.health.state == "stale"
    world.reader._source = world.store
    await world.at(17_000)
    assert (world.reader.health.up, world.reader.health.age_seconds) == (True, 0.0)


async def test_before_anything_was_read_it_is_starting() -> None:
    """No age, no figures, no claim."""
    reader = World().reader
    assert reader.snapshot is None
    assert (reader.health.state, reader.health.complete) == ("starting", False)


@pytest.mark.parametrize("times", [1, 10])
async def test_a_fold_between_two_reads_is_never_seen_half(times: int) -> None:
    """Panes that become a minute while they are read are counted once: at once, or with the next snapshot."""
    world = World(PAGES)
    world.write(PAGES, *[{"duration_ms": 100}] * 4)
    assert total(await world.at(1000), "page_views") == 4

    async def fold() -> None:
        world.now_ms += 3 * MINUTE
        world.write(PAGES, {"duration_ms": 100})
        await world.work()

    world.write(PAGES, {"duration_ms": 100})
    world.now_ms += 1000
    await world.work()
    meddling = world.reader._source = Meddling(world.store, fold, times)
    seen = await world.reader.refresh(START + 40 * MINUTE)
    assert meddling.happened == min(times, ATTEMPTS)
    assert seen
    assert total(seen, "page_views") == value(seen, "page_views", "1h", "count") == (6 if times == 1 else 4)
    world.reader._source = world.store
    later = await world.reader.refresh(START + 40 * MINUTE)
    assert later
    assert total(later, "page_views") == value(later, "page_views", "1h", "count") == len(world.log.records[PAGES])


async def test_a_queue_grows_by_the_clock_and_returns_to_zero() -> None:
    """The longest wait grows without a record; an empty queue is a 0 and not an absence."""
    world = World(CONTACTS)
    contact = {"contact": "c1", "customer": "k1", "queue": "orders"}
    world.write(CONTACTS, {**contact, "state": "queued"})
    for seconds in (5, 45):
        waiting = await world.at(seconds * 1000)
        assert value(waiting, "contacts_waiting") == 1
        assert value(waiting, "longest_wait_seconds") == seconds
    assert by(waiting, "longest_wait_seconds", "queue") == {"orders": 45}
    assert waiting.read("longest_wait_seconds", "1m") == waiting.read("longest_wait_seconds", "1h")
    world.write(CONTACTS, {**contact, "state": "answered"})
    empty = await world.at(46_000)
    assert value(empty, "contacts_waiting") == value(empty, "longest_wait_seconds") == 0
    assert value(empty, "contact_wait_seconds", statistic="mean") == 45


async def test_a_contact_without_an_end_is_forgotten_by_what_its_partition_hears_next() -> None:
    """After a day, at the second record, and a synthetic one will do: docs/runbooks/longest-wait.md says so."""
    world, probe = World(CONTACTS), {"contact": "probe", "state": "offered", "synthetic": True}
    world.write(CONTACTS, {"contact": "c1", "state": "queued"})
    await world.at(0)
    assert value(await world.at(10 * DAY), "longest_wait_seconds") == 864_000
    for second in (1, 2):
        world.write(CONTACTS, probe)
        snapshot = await world.at(10 * DAY + second * 1000)
    assert value(snapshot, "contacts_waiting") == value(snapshot, "longest_wait_seconds") == 0
    assert value(snapshot, "contacts_queued") is None


async def test_no_crash_at_all_is_a_figure() -> None:
    """Sessions make the crash-free share 100 %, though no crash was ever published."""
    world = World(partition("app-session"))
    world.write(partition("app-session"), {"session": "s1", "release": "1.0"}, {"session": "s2", "release": "1.0"})
    snapshot = await world.at(1000)
    assert value(snapshot, "crash_free_session_ratio") == 1
    assert by(snapshot, "crash_free_session_ratio", "release") == {"1.0": 1}


async def test_a_crash_in_its_own_topic_counts_against_the_sessions() -> None:
    """Two families, read as one figure."""
    sessions, crashes = partition("app-session"), partition("app-crash")
    world = World(sessions, crashes)
    world.write(sessions, *({"session": f"s{i}", "release": f"{i % 2}.0"} for i in range(4)))
    world.write(crashes, *[{"session": "s1", "release": "1.0", "kind": "crash"}] * 3)
    snapshot = await world.at(1000)
    assert value(snapshot, "crash_free_session_ratio") == 0.75
    assert by(snapshot, "crash_free_session_ratio", "release") == {"0.0": 1, "1.0": 0.5}


async def test_a_session_with_many_frames_is_one_sample_of_its_frames() -> None:
    """They are alike, so a hundred thousand of one session prove no more than one; of many sessions they do."""
    sessions = partition("app-session")
    world = World(sessions)
    world.write(sessions, {"session": "s", "frames": 100_000, "slow_frames": 60_000, "frozen_frames": 0}, {"session": "none"})
    snapshot = await world.at(1000)
    (slow,), (frozen,) = (snapshot.read(name, "5m") for name in ("slow_frame_ratio", "frozen_frame_ratio"))
    assert (slow.value, slow.n, frozen.value, frozen.n) == (0.6, 1, 0, 1)
    assert slow.low < 0.2
    assert frozen.high > 0.7
    world.write(sessions, *({"session": f"s{i}", "frames": 1000, "slow_frames": 600} for i in range(99)))
    (slow,) = (await world.at(2000)).read("slow_frame_ratio", "5m")
    assert (slow.value, slow.n) == (0.6, 100)
    assert slow.low > 0.5


async def test_a_sum_over_events_has_no_interval() -> None:
    """Five thousand frames of one session are not five thousand samples; records of them are."""
    sessions = partition("app-session")
    world = World(sessions)
    world.write(sessions, {"session": "s", "frames": 9000, "slow_frames": 5000})
    snapshot = await world.at(1000)
    for one in snapshot.read("slow_frames", "5m"):
        assert (one.n, isnan(one.low), isnan(one.high)) == (5000, True, True)
    assert {one.statistic: one.value for one in snapshot.read("slow_frames", "5m")}["count"] == 5000
    assert all(one.low < one.value < one.high for one in snapshot.read("frame_reports", "5m"))


async def test_views_without_a_broken_link_are_a_zero() -> None:
    """The figure has the series of the views: without errors it is 0, without views absent."""
    world = World(PAGES, LINKS)
    world.write(PAGES, {"page": "/"}, {"page": "/"})
    assert value(await world.at(1000), "link_errors_per_view") == 0
    world.write(LINKS, {"target": "https://shop.example/gone", "page": "/"})
    snapshot = await world.at(2000)
    assert value(snapshot, "link_errors_per_view") == 0.5
    assert by(snapshot, "link_errors_per_view", "page") == {"/": 0.5}


async def test_a_link_error_without_any_view_has_no_share() -> None:
    """A rate over nothing is not infinite but absent."""
    world = World(LINKS)
    world.write(LINKS, {"target": "https://shop.example/gone"})
    assert value(await world.at(1000), "link_errors_per_view") is None


async def test_a_page_that_only_the_views_show_keeps_its_broken_links() -> None:
    """Each family chooses the values it shows; a figure over both goes by those of its axis, and the rest is `__other__`."""
    world = World(PAGES, LINKS, shown=2)
    for views, page in ((50, "/a"), (40, "/b"), (10, "/c")):
        world.write(PAGES, *[{"page": page}] * views)
    for errors, page in ((9, "/only-links"), (8, "/c"), (7, "/a")):
        world.write(LINKS, *[{"target": "https://shop.example/gone", "page": page}] * errors)
    snapshot = await world.at(1000)
    assert by(snapshot, "link_errors", "page", statistic="count").keys() == {"/only-links", "/c", "__other__"}
    assert by(snapshot, "link_errors_per_view", "page") == {"/a": 7 / 50, "/b": 0, "__other__": (9 + 8) / 10}
    assert value(snapshot, "link_errors_per_view") == 24 / 100


async def test_a_release_that_only_the_sessions_show_keeps_its_crashes() -> None:
    """Also of people, of whom nothing is known behind `__other__`."""
    sessions, crashes = partition("app-session"), partition("app-crash")
    world = World(sessions, crashes, shown=1)
    for release, n in (("1.0", 8), ("2.0", 4)):
        world.write(sessions, *({"session": f"{release}-{i}", "release": release} for i in range(n)))
    for release, n in (("2.0", 3), ("1.0", 2)):
        world.write(crashes, *({"session": f"{release}-{i}", "release": release} for i in range(n)))
    snapshot = await world.at(1000)
    assert by(snapshot, "crash_free_session_ratio", "release") == {"1.0": 0.75, "__other__": 0.25}
    assert by(snapshot, "crash_free_user_ratio", "release") == {"1.0": 0.75}


async def test_a_figure_over_two_families_where_the_other_family_has_more_apps() -> None:
    """What belongs to an app of which the axis knows nothing is nowhere on it."""
    world = World(PAGES, LINKS)
    world.write(PAGES, *[{"page": "/"}] * 2)
    world.write(LINKS, *[{"app": app, "target": "https://shop.example/gone", "page": "/"} for app in ("bank", "shop", "tram")])
    snapshot = await world.at(1000)
    for dimension in ("all", "page"):
        (reading,) = snapshot.read("link_errors_per_view", "5m", dimension)
        assert (reading.series.app, reading.value, reading.n) == ("shop", 0.5, 2)


class Away(MemoryStore):
    """A store that does not answer."""

    async def partitions(self) -> list[PartitionId]:
        raise StoreUnavailable("away")


class Meddling:
    """Reads a store; something happens before each of the first reads that asks for more than the head."""

    def __init__(self, store: MemoryStore, happens: Callable[[], Awaitable[None]], times: int) -> None:
        self._store, self._happens, self._times, self.happened = store, happens, times, 0
        self.partitions, self.workers = store.partitions, store.workers

    async def read(self, partition: PartitionId, fields: Sequence[bytes]) -> list[bytes | None]:
        if len(fields) > len(HEAD) and self.happened < self._times:
            self.happened += 1
            await self._happens()
        return await self._store.read(partition, fields)


class Busy(MemoryStore):
    """A store in which each read takes a while, and some find it away."""

    def __init__(self, away: Collection[PartitionId] = ()) -> None:
        super().__init__()
        self._away, self.reading, self.most = away, 0, 0

    async def read(self, partition: PartitionId, fields: Sequence[bytes]) -> list[bytes | None]:
        self.reading += 1
        self.most = max(self.most, self.reading)
        try:
            if partition in self._away:
                raise StoreUnavailable("away")
            for _ in range(10):
                await asyncio.sleep(0)
            return await super().read(partition, fields)
        finally:
            self.reading -= 1


def _count(readings: Sequence[object]) -> float:
    return sum(r.value for r in readings if r.statistic == "count")  # type: ignore[attr-defined]


async def test_reports_that_are_not_fatal_leave_people_free_of_crashes() -> None:
    """Sessions and people are judged by the same crashes."""
    world = World(partition("app-session"), partition("app-crash"))
    people = [{"session": f"s{i}", "install": f"i{i}"} for i in range(20)]
    world.write(partition("app-session"), *people)
    world.write(partition("app-crash"), *({**one, "kind": "non-fatal"} for one in people[:10]), {**people[0], "kind": "crash"})
    snapshot = await world.at(1000)
    assert value(snapshot, "crash_free_session_ratio") == 0.95
    assert value(snapshot, "crash_free_user_ratio") == 0.95


async def test_what_another_catalogue_wrote_is_named_and_not_read() -> None:
    """Bytes are never given another meaning."""
    world = World(PAGES)
    world.write(PAGES, {})
    await world.at(1000)
    world.store.hashes[PAGES][b"_layout"] = b"1:page-load:older:older"
    snapshot = await world.at(2000, works=False)
    assert value(snapshot, "page_views") is None
    assert any("another version" in problem for problem in snapshot.problems)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, damage) for name in (b"_next", b"_folded_until", b"_versions") for damage in (b"x", b"\xff")),
        *((name, damage) for name in (b"s:", b"p:", b"l:", b"m:", b"live") for damage in (b"", b"x", b"\xff" * 30)),
        *((b"s:", damage) for damage in (b"{}", b"[]", b"[[]]", b'[["x", "shop", "production", "all", "all", 0]]')),
        (b"_layout", b"\xff"),
        *((b"_meta", damage) for damage in (b"\xff", b"[]", b"{}")),
        (b"_meta", b'{"watermark": "x", "counts": {}, "dropped": 0}'),
        (b"_meta", b'{"watermark": 0, "counts": ["records"], "dropped": 0}'),
    ],
)
async def test_a_partition_that_cannot_be_read_is_named_and_the_others_go_on(
    name: bytes, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """What is in it is missing in windows, and in no counter, until it can be read again. It is told once."""
    other, (first, last) = partition("contact", 1), (START, START + 4 * MINUTE)
    world = World(CONTACTS, other)
    for world.now_ms in (first, last):
        world.write(CONTACTS, *({"contact": f"c{i}", "queue": f"q{i}", "state": "queued"} for i in range(40)))
        world.write(other, {"contact": "d", "queue": "q", "state": "queued"})
        await world.work()
    counted = _counted(await world.at(4 * MINUTE))
    stored, written = world.store.hashes[CONTACTS], {**world.store.hashes[CONTACTS]}
    stored[b"_versions"] = pack_versions({key: version + 1 for key, version in unpack_versions(written[b"_versions"]).items()})
    stored |= {field: damage for field in written if field.startswith(name)}
    for second in (1, 2):
        snapshot = await world.at(4 * MINUTE + second * 1000, works=False)
        assert {problem for problem in snapshot.problems if LOST not in problem} == {f"{CONTACTS}: {UNREADABLE}"}
        assert value(snapshot, "contacts_waiting") == 1
        assert _counted(snapshot) == counted
    [said] = caplog.messages
    assert said.startswith(f"{CONTACTS}: {UNREADABLE}: ")
    world.store.hashes[CONTACTS] = written
    snapshot = await world.at(4 * MINUTE + 3000, works=False)
    assert snapshot.complete
    assert value(snapshot, "contacts_waiting") == 41
    assert _counted(snapshot) == counted


def _counted(snapshot: Snapshot) -> dict[object, int]:
    return {(one.figure, one.series, one.labels): one.value for one in snapshot.totals() if isinstance(one, Total)}


@pytest.mark.parametrize("left", ["some", "nothing"])
async def test_a_series_that_a_rollback_took_keeps_its_counter(left: str) -> None:
    """Also where names that are stored beside it are still known: it comes back, and a counter never falls."""
    world = World(PAGES)
    world.write(PAGES, *({"page": f"/{number}"} for number in range(3 * BLOCKS)))
    await world.at(1000)
    before = copy.deepcopy(world.store.hashes) if left == "some" else {}
    world.write(PAGES, *[{"page": "/new"}] * 3)
    assert _views(await world.at(2000), "/new") == 3
    world.store.hashes = before
    assert _views(await world.at(2500, works=False), "/new") == 3
    for ms in (5000, 8000):
        assert _views(await world.at(ms), "/new") == 3
    world.write(PAGES, {"page": "/new"})
    assert _views(await world.at(9000), "/new") == 4


@pytest.mark.parametrize("left", ["some", "nothing"])
async def test_a_reader_that_starts_after_a_rollback_waits_for_what_it_took(left: str) -> None:
    """Another reader, or this one before its restart, may have shown it: a counter may not begin lower."""
    other = partition("page-load", 1)
    world = World(PAGES, other)
    world.write(other, {})
    world.write(PAGES, {})
    await world.at(1000)
    before = copy.deepcopy(world.store.hashes)
    world.write(PAGES, *[{}] * 5)
    await world.at(2000)
    world.store.hashes = before
    if left == "nothing":
        del world.store.hashes[PAGES]
    world.reader = Reader(world.store, catalogue(), PREFIX, clock=world.seconds)
    rolled_back = await world.at(2500, works=False)  # the worker has not noticed yet
    assert rolled_back.problems == (f"{PAGES}: {LOST}",)
    assert total(rolled_back, "page_views") is None
    for ms in (5000, 8000):
        caught_up = await world.at(ms)
    assert caught_up.complete
    assert total(caught_up, "page_views") == 7


async def test_the_remainder_is_no_counter() -> None:
    """It falls when a value of it comes to be shown, and a counter must never fall."""
    world = World(PAGES, shown=1)
    world.write(PAGES, {"page": "/a"}, {"page": "/a"}, {"page": "/b"})
    snapshot = await world.at(1000)
    assert "__other__" not in {total.series.value for total in snapshot.totals()}
    assert "__other__" in by(snapshot, "page_views", "page")


async def test_however_many_partitions_there_are_few_are_read_at_the_same_time() -> None:
    """Each takes a connection of its own."""
    source, many = Busy(), [partition("page-load", number) for number in range(5 * AT_ONCE)]
    for one in many:
        await source.checkpoint(one, None, {b"_next": b"7"})
    reader = Reader(source, catalogue(), PREFIX)
    await reader.refresh(START)
    assert [one.partition for one in reader.health.partitions] == many
    assert source.most == AT_ONCE


async def test_no_read_goes_on_when_another_has_failed() -> None:
    """The next refresh would meet it, and have its copy changed by it."""
    many = [partition("page-load", number) for number in range(3)]
    source = Busy(away=many[:1])
    for one in many:
        await source.checkpoint(one, None, {b"_next": b"7"})
    reader = Reader(source, catalogue(), PREFIX)
    await reader.refresh(START)
    assert not reader.health.up
    assert source.reading == 0


async def test_a_snapshot_stays_as_it_was() -> None:
    """Also where it is read for the first time after series were met that it does not know."""
    world = World(PAGES, shown=2)
    world.write(PAGES, {"page": "/"}, {"page": "/cart"})
    before = await world.at(1000)
    world.write(PAGES, {"page": "/help"}, {"page": "/"}, {"app": "bank", "page": "/"})
    after = await world.at(2000)
    assert by(before, "page_views", "page", statistic="count") == {"/": 1, "/cart": 1}
    assert before.scopes() == (("shop", "production"),)
    assert len(after.scopes()) == 2


async def test_totals_alone_are_what_they_are_among_all() -> None:
    """Most windows are asked for totals only, and those are computed without the rest."""
    families = [partition(name) for name in ("page-load", "app-session", "app-crash", "link-error", "contact")]
    world = World(*families)
    for moment in islice(tell(seed=1), 300):
        world.write(partition(moment.family), {**moment.fields, "timestamp": START})
    snapshot = await world.at(1000)
    for figure in snapshot.figures.values():
        alone = snapshot.read(figure.name, "5m")
        among_all = snapshot._by_dimension(figure, snapshot.window("5m"), only_totals=False).get("all", ())
        assert [(r.series, r.statistic, r.labels, r.n) for r in alone] == [
            (r.series, r.statistic, r.labels, r.n) for r in among_all
        ]
        for one, other in zip(alone, among_all, strict=True):
            numbers = (other.value, other.low, other.high)
            assert (one.value, one.low, one.high) == pytest.approx(numbers, rel=1e-9, nan_ok=True)


def _views(snapshot: Snapshot, page: str) -> int | None:
    """The counter of one page."""
    return next((t.value for t in snapshot.totals() if t.figure == "page_views" and t.series.value == page), None)  # type: ignore[return-value]
