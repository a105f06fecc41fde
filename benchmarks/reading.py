"""What `serve` costs: the demo's two apps over an hour on 16 partitions of a real Redis, then read second by second."""

import gzip
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from math import floor

from alerts.engine import Engine
from alerts.memory_store import MemoryAlertStore
from alerts.outbox import Outbox
from alerts.rules import load as load_rules
from monitor.api import COMPRESSION
from monitor.demo.story import Moment, tell
from monitor.demo.world import SHOP
from monitor.exposition import Exposition
from monitor.memory import settle
from monitor.query import ask
from monitor.rule_files import in_force
from streams.kafka.publish import key_of
from streams.metrics.registry import catalogue
from streams.reading.reader import Reader
from streams.state.keys import PartitionId
from streams.state.redis_client import connect
from streams.state.redis_store import RedisStore
from streams.status import PartitionStatus, WorkerStatus
from streams.windows.partition import Partition
from streams.windows.storage import Ledger
from streams.windows.uniques import hash64

PARTITIONS: Mapping[str, int] = {"page-load": 6, "app-session": 4, "contact": 4, "app-crash": 1, "link-error": 1}
PREFIX = "bench."
BEGUN_MS = 1_800_000_000_000
PAST_SECONDS = 4_000  # the longest window, and what is not folded yet
ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.5"  # as Prometheus does
QUESTION = {"figure": "page_load_seconds", "window": "5m", "by": "country"}


@dataclass(frozen=True, slots=True)
class Record:
    """A record as Kafka would give it."""

    offset: int
    timestamp: int
    value: bytes
    key: bytes | None


@dataclass
class Writer:
    """All workers in one: applies what happens, and leaves checkpoints and a word of itself."""

    store: RedisStore
    ledgers: dict[PartitionId, Ledger] = field(init=False)
    sequence: int = 0

    def __post_init__(self) -> None:
        self._families = {family.name: family for family in catalogue().families}
        self.ledgers = {
            PartitionId(PREFIX + name, number): Ledger(Partition(self._families[name]))
            for name, count in PARTITIONS.items()
            for number in range(count)
        }

    async def write(self, moments: Sequence[Moment]) -> None:
        """One checkpoint of each partition that they touch."""
        for partition, records in self._records(moments).items():
            ledger = self.ledgers[partition]
            ledger.partition.apply(records)
            taken = ledger.checkpoint()
            await self.store.checkpoint(partition, taken.expected, taken.fields)
            await self.store.forget(partition, taken.folded_until, taken.obsolete)
        self.sequence += 1
        said = tuple(_status(partition, ledger) for partition, ledger in self.ledgers.items())
        await self.store.announce("worker", WorkerStatus("worker", "", self.sequence, said).encode(), 60)

    def _records(self, moments: Sequence[Moment]) -> dict[PartitionId, list[Record]]:
        found: dict[PartitionId, list[Record]] = defaultdict(list)
        for moment in moments:
            at_ms = BEGUN_MS + floor(moment.at * 1000)
            key = key_of(self._families[moment.family].event, moment.fields) or b""
            partition = PartitionId(PREFIX + moment.family, hash64(key.decode()) % PARTITIONS[moment.family])
            offset = self.ledgers[partition].partition.next + len(found[partition])
            value = json.dumps({**moment.fields, "timestamp": at_ms}).encode()
            found[partition].append(Record(offset, at_ms, value, key))
        return found


def _status(partition: PartitionId, ledger: Ledger) -> PartitionStatus:
    done = {"age_seconds": 0.0, "checkpoint_seconds": 0.0, "checkpoint_bytes": 0}
    return PartitionStatus(topic=partition.topic, number=partition.number, next=ledger.partition.next, lag=0, **done)


@dataclass(frozen=True)
class Measured:
    """What was told, and CPU milliseconds of the process, each time: `costs` by what was done."""

    series: int
    partitions: int
    costs: Mapping[str, Sequence[float]]

    def rows(self) -> list[tuple[str, float, float, float]]:
        """(what, median, least, most)."""
        return [(what, statistics.median(each), min(each), max(each)) for what, each in self.costs.items()]


async def measure(url: str, seconds: int) -> Measured:
    """Each second a refresh; then alerts, a scrape or a question, each on a snapshot of which nobody has read before."""
    client = connect(url)
    store = RedisStore(client, "bench")
    writer, now_ms = Writer(store), BEGUN_MS
    reader = Reader(store, catalogue(), PREFIX, clock=lambda: now_ms / 1000)
    exposition = Exposition(reader)
    engine = Engine(load_rules(in_force(None), catalogue().figures), MemoryAlertStore(), Outbox())
    costs: dict[str, list[float]] = defaultdict(list)
    for second, moments in groupby(tell(1, -PAST_SECONDS), key=_step):
        happened = list(moments)
        await writer.write([*happened, *staged(happened)])
        if second < 0:
            settle()  # as `serve` does; and what workers remember is none of its memory
            continue
        if second >= seconds:
            break
        now_ms = BEGUN_MS + 1000 * (second + 1)
        with _cpu(costs, "refresh" if second else "first refresh"):
            snapshot = await reader.refresh(now_ms)
        if second % 3 == 0:
            with _cpu(costs, "scrape" if second else "first scrape"):
                scrape(exposition)
            with _cpu(costs, "same again"):
                scrape(exposition)
        elif second % 3 == 1:
            with _cpu(costs, "alerts"):
                await engine.turn(snapshot)
        else:
            with _cpu(costs, "question"):
                ask(snapshot, dict(QUESTION)).readings(snapshot)
    await client.aclose()
    text, _ = exposition.render()
    series = sum(not line.startswith(b"#") for line in text.splitlines())
    return Measured(series, len(writer.ledgers), costs)


def scrape(exposition: Exposition) -> bytes:
    """As Prometheus asks for it: compressed."""
    text, _ = exposition.render(ACCEPT)
    return gzip.compress(text, COMPRESSION)


def staged(moments: Sequence[Moment]) -> Iterator[Moment]:
    """Some page loads once more, in an environment of their own: with these more than ten thousand series are exposed."""
    for moment in moments[::10]:
        if moment.family == "page-load" and moment.fields["app"] == SHOP.name:
            yield replace(moment, fields={**moment.fields, "id": None, "environment": "staging"})


def _step(moment: Moment) -> int:
    """The past by the minute, the present by the second."""
    return floor(moment.at) if moment.at >= 0 else floor(moment.at / 60) * 60


@contextmanager
def _cpu(costs: dict[str, list[float]], what: str) -> Iterator[None]:
    began = time.process_time()
    yield
    costs[what].append(1000 * (time.process_time() - began))
