"""How long a worker's event loop is kept from all else, by whatever it is: applying, folding, packing a checkpoint, sending it.

Four partitions with all panes open, in this process, on a real Redis; CPU time between two turns of the loop. `live`: 5,000
events a second, two checkpoints a second. `catching up`: forty times as many of them between two checkpoints. Without Kafka:
to unpack what one fetch brings takes some 3 ms more.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import uvloop

from benchmarks.arena import Arena, Line, Scale
from benchmarks.events import Record, spread
from benchmarks.growth import KIB, LARGE, MEDIUM, SMALL
from benchmarks.markdown import Target, markdown
from benchmarks.medians import medians
from monitor.memory import settle
from monitor.pseudonyms import keyed
from streams.kafka.batch import Batch
from streams.kafka.settings import KafkaSettings
from streams.metrics.page_load import METRICS
from streams.pipeline import Pipeline
from streams.runner import PipelineSettings
from streams.state.keys import PartitionId
from streams.state.redis_client import connect
from streams.state.redis_store import RedisStore
from tests.streams.fakes import FakeLog
from tests.streams.records import Raw

RATE = 1250  # events a second and partition of event time
PARTITIONS = [PartitionId("page-load", number) for number in range(4)]
CHECKPOINT_SECONDS = 0.5
PACES = {"live": 1, "catching up": 40}
FETCH = KafkaSettings().max_poll_records
MOST_MS = 50
COLUMNS = {"mean_kib": "KiB a checkpoint, mean", "largest_kib": "largest", "longest_ms": "longest pause, ms of CPU"}


@dataclass
class Probe:
    """Turns with the loop, and notes how much CPU time others took in between."""

    longest_ms: float = 0.0
    _cpu: float = field(default_factory=time.process_time)

    async def run(self) -> None:
        while True:
            await asyncio.sleep(0)
            now = time.process_time()
            self.longest_ms, self._cpu = max(self.longest_ms, 1000 * (now - self._cpu)), now


class Weighing(RedisStore):
    """Notes how large each checkpoint is."""

    sizes: list[float]

    async def checkpoint(self, partition: PartitionId, expected: int | None, fields: Mapping[bytes, bytes]) -> int | None:
        self.sizes.append(sum(len(name) + len(value) for name, value in fields.items()) / KIB)
        return await super().checkpoint(partition, expected, fields)


def lines(arena: Arena, scale: Scale) -> Iterator[Line]:
    """A line for each number of series and each pace, of each round."""
    settle()  # as a worker does
    for loads in (SMALL, MEDIUM, LARGE):
        records = list(recorded(spread(loads, scale.pause_seconds * RATE, scale.pause_seconds)))
        for number in range(1, scale.rounds + 1):
            for pace, times in PACES.items():
                arena.client.flushall()
                measured = uvloop.run(paced(arena.redis.url, records, times))
                yield {"round": number, "series": loads.series, "pace": pace, **measured}


def recorded(events: Iterable[Record]) -> Iterator[Raw]:
    """Events as the records of a partition."""
    now_ms = int(time.time() * 1000)
    for offset, (_, _, value) in enumerate(events):
        yield Raw(offset, now_ms, value.encode())


async def paced(url: str, records: Sequence[Raw], times: int) -> Line:
    """Applied and written, so many times as fast as they came: the same to each partition."""
    client, clock = connect(url), [0.0]
    settings = PipelineSettings(worker="w", pseudonym=keyed(b"benchmark"), key_fingerprint="")
    log = FakeLog({partition: [] for partition in PARTITIONS})
    store = Weighing(client, "pauses")
    store.sizes = []
    pipeline = Pipeline({"page-load": METRICS}, store, store, log, settings, lambda: clock[0])
    pipeline.assigned(PARTITIONS)
    await pipeline.tick()
    probe, step = Probe(), int(RATE * CHECKPOINT_SECONDS * times)
    turning = asyncio.create_task(probe.run())
    for first in range(0, len(records), step):
        for start in range(first, min(first + step, len(records)), FETCH):
            part = records[start : min(start + FETCH, first + step)]
            for partition in PARTITIONS:
                await pipeline.feed(Batch(partition, start, start + len(part), log.epoch(partition), part))
        clock[0] += CHECKPOINT_SECONDS
        await pipeline.tick()
    turning.cancel()
    await client.aclose()
    return {"longest_ms": probe.longest_ms, "mean_kib": sum(store.sizes) / len(store.sizes), "largest_kib": max(store.sizes)}


def middle(found: Sequence[Line]) -> dict[tuple[int, str], dict[str, float]]:
    """(series, pace) → what was measured, in the middle of the rounds."""
    return medians(found, lambda line: (line["series"], line["pace"]), COLUMNS)


def table(found: Sequence[Line]) -> str:
    rows = [[f"{series:,}", pace, *(f"{value:,.0f}" for value in of.values())] for (series, pace), of in middle(found).items()]
    return markdown(["series", "", *COLUMNS.values()], rows)


def targets(found: Sequence[Line]) -> Iterator[Target]:
    longest = [of["longest_ms"] for (series, _), of in middle(found).items() if series == MEDIUM.series]
    if longest:
        yield Target("longest that a loop is blocked, 500 series", max(longest), MOST_MS, " ms")
