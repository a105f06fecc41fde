"""Where a worker's time goes from the record to the checkpoint: CPU of each stage without what it calls, in this process.

What a worker takes beyond that is for fetching and unpacking what Kafka has, for Redis, and for the loop.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from operator import itemgetter
from typing import Any

from benchmarks import speed
from benchmarks.arena import FULL, Arena, Line, Scale
from benchmarks.events import PageLoads, spread
from benchmarks.markdown import Target, markdown
from benchmarks.medians import medians
from benchmarks.pauses import recorded
from monitor.memory import settle
from monitor.pseudonyms import keyed
from streams.applying import AT_ONCE
from streams.events.decode import Decoder
from streams.metrics.columns import Columns
from streams.metrics.page_load import METRICS
from streams.metrics.stored import Layout
from streams.windows.pane import Pane
from streams.windows.partition import Partition
from streams.windows.series import SeriesIndex
from streams.windows.storage import Ledger

CHECKPOINT_EVERY = 25_000  # records of a partition, at full speed
STAGES = (  # what is called, and what it does beside calling others
    (Decoder, "decode", "reading JSON, and whether it keeps the contract"),
    (Columns, "values", "taking columns out of events"),
    (Partition, "_deduplicate", "identities: hashing, and whether they are new"),
    (SeriesIndex, "codes", "values of dimensions to numbers of series"),
    (Columns, "hashes", "pseudonyms of people"),
    (Layout, "measure", "what each event adds: counters, buckets, registers"),
    (Pane, "add", "adding that to all series of an event"),
    (Ledger, "checkpoint", "packing a checkpoint"),
    (Partition, "apply", "all else: times, panes that close, minutes"),
)


class Stopwatch:
    """CPU seconds by name. While one call runs within another, the other's watch stands still."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self._running: list[str] = []
        self._since = 0.0

    def timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(call)
        def inner(*arguments: Any, **named: Any) -> Any:
            self._turn(lambda: self._running.append(name))
            try:
                return call(*arguments, **named)
            finally:
                self._turn(self._running.pop)

        return inner

    def _turn(self, change: Callable[[], object]) -> None:
        now = time.process_time()
        if self._running:
            self.spent[self._running[-1]] += now - self._since
        change()
        self._since = now


@contextmanager
def watched(watch: Stopwatch) -> Iterator[None]:
    """Times the stages, whoever calls them."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in STAGES]
    for owner, name, what in STAGES:
        setattr(owner, name, watch.timed(what, getattr(owner, name)))
    try:
        yield
    finally:
        for owner, name, call in before:
            setattr(owner, name, call)


def lines(_: Arena, scale: Scale) -> Iterator[Line]:
    """A line for each stage of each round."""
    settle()  # as a worker does
    seconds = speed.SECONDS * speed.PARTITIONS * scale.stage_events / FULL.events  # as in one partition of the race
    records = list(recorded(spread(PageLoads(), scale.stage_events, seconds, late=0)))
    for number in range(1, scale.rounds + 1):
        ledger, watch = Ledger(Partition(METRICS, pseudonym=keyed(b"benchmark"))), Stopwatch()
        with watched(watch):
            for start in range(0, len(records), AT_ONCE):
                ledger.partition.apply(records[start : start + AT_ONCE])
                if start // CHECKPOINT_EVERY != (start + AT_ONCE) // CHECKPOINT_EVERY:
                    ledger.checkpoint()
        for _, _, what in STAGES:
            yield {"round": number, "stage": what, "us": 1e6 * watch.spent[what] / len(records)}


def middle(found: Sequence[Line]) -> dict[str, float]:
    """Microseconds by stage."""
    return {stage: of["us"] for stage, of in medians(found, itemgetter("stage"), ["us"]).items()}


def together(found: Sequence[Line]) -> float:
    """Microseconds of an event in all stages."""
    return sum(middle(found).values())


def table(found: Sequence[Line]) -> str:
    rows = [[what, f"{us:.2f}"] for what, us in {**middle(found), "together": together(found)}.items()]
    return markdown(["the race's events, a partition at full speed", "CPU µs/event"], rows)


def targets(_: Sequence[Line]) -> Iterator[Target]:
    """None."""
    return iter(())
