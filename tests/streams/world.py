"""A whole monitor in memory: a log, a worker, a store and a reader, on one clock that a test moves."""

from typing import Any

from streams.metrics.catalogue import Catalogue
from streams.metrics.registry import catalogue
from streams.pipeline import Pipeline
from streams.reading.reader import SHOWN_VALUES, Reader
from streams.reading.snapshot import Snapshot
from streams.runner import PipelineSettings
from streams.state.keys import PartitionId
from streams.state.memory_store import MemoryStore
from streams.windows.uniques import hash64
from tests.streams.fakes import FakeLog
from tests.streams.records import START, raw

PREFIX = "experience."


def partition(family: str, number: int = 0) -> PartitionId:
    return PartitionId(PREFIX + family, number)


class World:
    """Time stands at `now_ms`; `write` publishes at this moment, `at` moves on and gives what a reader then sees."""

    def __init__(self, *partitions: PartitionId, rows: Catalogue | None = None, shown: int = SHOWN_VALUES) -> None:
        self.now_ms = START
        rows = rows or catalogue()
        self.partitions = list(partitions)
        self.log = FakeLog({partition: [] for partition in partitions})
        self.store = MemoryStore(clock=self.seconds)
        self.topics = rows.topics(PREFIX)
        self.reader = Reader(self.store, rows, PREFIX, shown, clock=self.seconds)
        self.pipeline = self.worker("w")

    def seconds(self) -> float:
        return self.now_ms / 1000

    def worker(self, name: str) -> Pipeline:
        settings = PipelineSettings(worker=name, pseudonym=hash64, key_fingerprint="", checkpoint_seconds=0)
        worker = Pipeline(self.topics, self.store, self.store, self.log, settings, clock=self.seconds)
        worker.assigned(self.partitions)
        return worker

    def write(self, partition: PartitionId, *events: dict[str, Any]) -> None:
        """Appends events that arrive now, of the app `shop` where they name none."""
        log = self.log.records[partition]
        log += [raw(len(log) + i, {"app": "shop", **event}, self.now_ms) for i, event in enumerate(events)]

    async def work(self) -> None:
        """The worker takes all there is and writes it."""
        for one in self.partitions:
            while batch := self.log.fetch(one, 500):
                await self.pipeline.feed(batch)
        await self.pipeline.tick()

    async def at(self, ms: int, *, works: bool = True) -> Snapshot:
        """The snapshot `ms` after START, with a worker that has kept up or one that stands still."""
        self.now_ms = START + ms
        if works:
            await self.work()
        snapshot = await self.reader.refresh(self.now_ms)
        assert snapshot
        return snapshot


def value(snapshot: Snapshot, figure: str, window: str = "5m", statistic: str = "", **labels: str) -> float | None:
    """A figure's value for the app as a whole; None where it is absent."""
    wanted = statistic or snapshot.figures[figure].statistics[0]
    found = [
        reading.value
        for reading in snapshot.read(figure, window)
        if reading.statistic == wanted and labels.items() <= dict(reading.labels).items()
    ]
    assert len(found) <= 1, found
    return found[0] if found else None


def by(snapshot: Snapshot, figure: str, dimension: str, window: str = "5m", statistic: str = "") -> dict[str, float]:
    """Value of the dimension → value of the figure."""
    wanted = statistic or snapshot.figures[figure].statistics[0]
    return {r.series.value: r.value for r in snapshot.read(figure, window, dimension) if r.statistic == wanted}


def total(snapshot: Snapshot, figure: str) -> int | None:
    """What the app has counted since the beginning; None where nothing is told."""
    found = [t.value for t in snapshot.totals() if t.figure == figure and t.series.dimension == "all"]  # type: ignore[union-attr]
    assert len(found) <= 1, found
    return found[0] if found else None
