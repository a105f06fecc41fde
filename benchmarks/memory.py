"""Whether Redis needs what `sizing.py` says: page loads in event time, until all that is kept is there, in a real Redis."""

import asyncio
import random
from collections.abc import Iterator, Sequence

from benchmarks.arena import Arena, Line, Scale
from benchmarks.events import OTHERS, PageLoads
from benchmarks.markdown import Target, markdown
from benchmarks.sizing import MINUTES, Installation
from monitor.pseudonyms import keyed
from streams.metrics.page_load import METRICS
from streams.state.keys import Keys, PartitionId
from streams.state.redis_client import connect
from streams.state.redis_store import RedisStore
from streams.windows.partition import Partition, Policy
from streams.windows.storage import Ledger
from streams.windows.time import MINUTE_MS
from streams.windows.uniques import hash64
from tests.streams.records import START, Raw, raw

PREFIX = "memory"
TOLERANCE = 0.2
MIB = 1 << 20
CASES = (
    (PageLoads(), Installation(1, (20, *OTHERS), 4, 20)),
    (PageLoads(pages=483), Installation(1, (483, *OTHERS), 4, 20)),
    (PageLoads(pages=483), Installation(1, (483, *OTHERS), 4, 20, lateness_seconds=600)),
    (PageLoads(pages=483), Installation(1, (483, *OTHERS), 16, 20)),
    (PageLoads(pages=483), Installation(1, (483, *OTHERS), 4, 100)),
    (PageLoads(pages=483), Installation(1, (483, *OTHERS), 4, 1000)),
    (PageLoads(apps=10, pages=33), Installation(10, (33, *OTHERS), 4, 20)),
)


def lines(arena: Arena, scale: Scale) -> Iterator[Line]:
    """A line for each case."""
    for loads, wanted in CASES[: scale.memory_cases]:
        arena.client.flushall()
        before = arena.client.info("memory")["used_memory"]
        asyncio.run(fill(arena.redis.url, loads, wanted, scale.stored_minutes))
        keys = (Keys(PREFIX).partition(partition) for partition in partitions(wanted))
        kept = min(scale.stored_minutes - wanted.lateness_seconds // 60, MINUTES)
        yield {
            **{name: getattr(wanted, name) for name in ("apps", "series", "partitions", "rate", "lateness_seconds")},
            "predicted_mib": wanted.keeping(max(kept, 0)).bytes() / MIB,
            "hashes_mib": sum(arena.client.memory_usage(key, samples=0) or 0 for key in keys) / MIB,
            "used_mib": (arena.client.info("memory")["used_memory"] - before) / MIB,
        }


def partitions(wanted: Installation) -> list[PartitionId]:
    return [PartitionId("page-load", number) for number in range(wanted.partitions)]


async def fill(url: str, loads: PageLoads, wanted: Installation, minutes: int) -> None:
    """What workers would have left after so many minutes, an instant before the next one is folded."""
    policy = Policy(lateness_ms=1000 * wanted.lateness_seconds)
    ledgers = {partition: Ledger(Partition(METRICS, policy, keyed(b"benchmark"))) for partition in partitions(wanted)}
    client = connect(url)
    store, rng, events = RedisStore(client, PREFIX), random.Random(1), int(60 * wanted.rate)
    for minute in range(minutes):
        arrived: dict[PartitionId, list[Raw]] = {partition: [] for partition in ledgers}
        for number in range(minute * events, (minute + 1) * events):
            at_ms = START + MINUTE_MS * number // events
            event = loads.event(rng, number, at_ms)
            partition = PartitionId("page-load", hash64(event["session"]) % wanted.partitions)
            offset = ledgers[partition].partition.next + len(arrived[partition])
            arrived[partition].append(raw(offset, event, at_ms))
        for partition, records in arrived.items():
            ledger = ledgers[partition]
            ledger.partition.apply(records)
            taken = ledger.checkpoint()
            await store.checkpoint(partition, taken.expected, taken.fields)
            await store.forget(partition, taken.folded_until, taken.obsolete)
    await client.aclose()


def table(found: Sequence[Line]) -> str:
    rows = [
        [
            f"{line['apps']}",
            f"{line['series']:,}",
            f"{line['partitions']}",
            f"{line['rate']:g}",
            f"{line['lateness_seconds'] // 60}",
            *(f"{line[what]:,.1f}" for what in ("predicted_mib", "hashes_mib", "used_mib")),
            f"{line['predicted_mib'] / line['hashes_mib']:.2f}",
        ]
        for line in found
    ]
    head = ["apps", "series", "partitions", "events/s", "lateness, min", "predicted, MiB", "measured", "used_memory"]
    return markdown([*head, "predicted ÷ measured"], rows)


def targets(found: Sequence[Line]) -> Iterator[Target]:
    worst = max((abs(line["predicted_mib"] / line["hashes_mib"] - 1) for line in found), default=0.0)
    yield Target("how far the prediction of Redis's memory is off, at most", 100 * worst, 100 * TOLERANCE, " %")
