"""What a worker costs as things grow: series, partitions, workers, the size of events, lateness, families.

Every kind of events is published once, as so many seconds of event time, and then read at full speed by workers that start
with nothing: as after an outage.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain
from operator import itemgetter

from benchmarks.arena import Arena, Line, Scale
from benchmarks.events import PageLoads, Record, publish, spread, story
from benchmarks.markdown import Target, markdown
from benchmarks.medians import medians
from benchmarks.worker import WARM_UP, Unseen, Workers
from streams.metrics.registry import catalogue
from tests.e2e.monitor import Monitor

SPAN_SECONDS = 384.0  # of event time
LONGER = 3
LONG_SPAN_SECONDS = 1248.0  # all panes are open in the end, with ten minutes of lateness too
SMALL, MEDIUM, LARGE = PageLoads(pages=33), PageLoads(pages=483), PageLoads(apps=10, pages=483)
MOST_WORKER_MIB = 300
MIB, KIB = 1 << 20, 1 << 10


@dataclass(frozen=True, slots=True)
class Kind:
    """Workers on one kind of events."""

    name: str
    source: str
    workers: int = 1
    settings: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Source:
    """What lies in a topic: events as they came in a time."""

    records: Callable[[int, float], Iterator[Record]]  # events, seconds
    partitions: int = 4  # of each topic
    seconds: float = SPAN_SECONDS
    times: int = 1  # as many events in as much time, where a run is over else before it is seen

    def events(self, events: int) -> int:
        return events * self.times

    def tell(self, events: int) -> Iterator[Record]:
        return self.records(self.events(events), self.seconds * self.times)


def _few_of_many(events: int, seconds: float) -> Iterator[Record]:
    """Many series at first; when their panes are closed, and before anything is measured, only a few of them."""
    first = events // (2 * WARM_UP)
    began = spread(LARGE, first, seconds / 10, ended_ago=2 * seconds)
    return chain(began, spread(SMALL, events - first, seconds * (1 - first / events), begin=first))


SOURCES: Mapping[str, Source] = {
    "few": Source(partial(spread, SMALL)),
    "medium": Source(partial(spread, MEDIUM)),
    "many": Source(partial(spread, LARGE)),
    "few-longer": Source(partial(spread, SMALL), times=LONGER),
    "few-of-many-longer": Source(_few_of_many, times=LONGER),
    "sixteen": Source(partial(spread, MEDIUM), 16),
    "sixty-four": Source(partial(spread, MEDIUM), 64),
    "medium-longer": Source(partial(spread, MEDIUM), times=LONGER),
    "kilobyte": Source(partial(spread, PageLoads(pages=483, padding=700))),
    "three-kilobytes": Source(partial(spread, PageLoads(pages=483, padding=2700))),
    "slow": Source(partial(spread, MEDIUM), seconds=LONG_SPAN_SECONDS),
    "story": Source(lambda events, _: story(events)),
}
TIMES = f"{LONGER} times as many events"
FEW_AND_HELD = f"50 series, {TIMES}", "the same 50 touched, 5,000 held"
TWO_WORKERS = f"2 workers, {TIMES}"
KINDS = (
    Kind("500 series, 4 partitions, 300 B, 1 worker", "medium"),
    Kind("50 series", "few"),
    Kind("5,000 series", "many"),
    Kind(FEW_AND_HELD[0], "few-longer"),
    Kind(FEW_AND_HELD[1], "few-of-many-longer"),
    Kind("16 partitions of each topic", "sixteen"),
    Kind("64 partitions of each topic", "sixty-four"),
    Kind(TWO_WORKERS, "medium-longer", workers=2),
    Kind("events of 1 kB", "kilobyte"),
    Kind("events of 3 kB", "three-kilobytes"),
    Kind("in 21 minutes, lateness 2 min", "slow", settings={"XMON_LATENESS_SECONDS": 120}),
    Kind("in 21 minutes, lateness 10 min", "slow", settings={"XMON_LATENESS_SECONDS": 600}),
    Kind("all families, the demo's apps", "story"),
)
BASE = KINDS[0].name
AXES: Mapping[str, Mapping[int, str]] = {  # what grows → how great it is → kind
    "series": {50: "50 series", 500: BASE, 5_000: "5,000 series"},
    "series held, 50 of them touched": dict(zip((50, 5_000), FEW_AND_HELD, strict=True)),
    "partitions of each topic": {4: BASE, 16: "16 partitions of each topic", 64: "64 partitions of each topic"},
    "workers": {1: BASE, 2: TWO_WORKERS},
    "bytes of an event": {300: BASE, 1_000: "events of 1 kB", 3_000: "events of 3 kB"},
    "minutes of lateness": {2: "in 21 minutes, lateness 2 min", 10: "in 21 minutes, lateness 10 min"},
}


def lines(arena: Arena, scale: Scale) -> Iterator[Line]:
    """A line for each kind of each round."""
    kinds = KINDS[: scale.growth_kinds]
    with ExitStack() as running:
        sources = dict.fromkeys(kind.source for kind in kinds)
        monitors = {name: running.enter_context(arena.monitor(name)) for name in sources}
        for name, monitor in monitors.items():
            monitor.create_topics(SOURCES[name].partitions)
            publish(arena.kafka.bootstrap, monitor.topic_prefix, SOURCES[name].tell(scale.growth_events))
        for number in range(1, scale.rounds + 1):
            for kind in kinds:
                yield {
                    "round": number,
                    "name": kind.name,
                    **run(arena, monitors[kind.source], kind, number, scale.growth_events),
                }


def run(arena: Arena, monitor: Monitor, kind: Kind, number: int, events: int) -> Line:
    """Workers from their start until all is stored."""
    source = SOURCES[kind.source]
    arena.client.flushall()
    arena.client.config_resetstat()
    families = [family.name for family in catalogue().families] if kind.source == "story" else ["page-load"]
    places = [(family, partition) for family in families for partition in range(source.partitions)]
    group = {"XMON_GROUP_ID": f"{kind.name}-{number}"}
    with Workers(arena, monitor, places, kind.workers, **kind.settings, **group) as workers:
        try:
            measured = asdict(workers.count(source.events(events)))
        except Unseen:  # as where one of two had taken most before the other came
            measured = dict.fromkeys(COLUMNS)
        told = arena.client.info("all")
        return {
            **measured,
            "checkpoint_kib": told["total_net_input_bytes"] / told["cmdstat_hset"]["calls"] / KIB,
            "redis_mib": told["used_memory_dataset"] / MIB,
            "worker_mib": workers.peak_bytes() / MIB,
        }


COLUMNS = {
    "cpu_us": ("CPU µs/event", ".2f"),
    "rate": ("events/s", ",.0f"),
    "checkpoint_kib": ("KiB a checkpoint", ",.0f"),
    "redis_mib": ("Redis, MiB", ",.1f"),
    "worker_mib": ("largest worker, MiB", ",.0f"),
}


def middle(found: Sequence[Line]) -> dict[str, dict[str, float]]:
    """By kind and measure."""
    return medians(found, itemgetter("name"), COLUMNS)


def table(found: Sequence[Line]) -> str:
    rows = [
        [name, *(format(measured[what], style) for what, (_, style) in COLUMNS.items())]
        for name, measured in middle(found).items()
    ]
    return markdown(["", *(head for head, _ in COLUMNS.values())], rows)


def targets(found: Sequence[Line]) -> Iterator[Target]:
    memory = middle(found)[BASE]["worker_mib"] * MIB / 1e6
    yield Target("worker's memory, 500 series at full speed", memory, MOST_WORKER_MIB, " MB")
    few, held = (
        {line["round"]: line["cpu_us"] for line in found if line["name"] == name and line["cpu_us"]} for name in FEW_AND_HELD
    )
    if both := few.keys() & held.keys():
        what = "CPU an event with 5,000 series held ÷ with 50, where the same 50 are touched"
        yield Target(what, statistics.median(held[number] / few[number] for number in both), 1.1)
