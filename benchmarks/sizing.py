"""How much memory Redis needs, from apps, dimensions, partitions and how long things are kept.

python -m benchmarks.sizing --apps 2 --values 50,20,3,3,2 --partitions 12 --rate 200

What a series takes in a stretch of time follows from how many different cells, buckets and registers its events touch; which
those are is learnt from a sample of events. Identities of open panes, names, and Redis's own needs are added to that.
"""

import argparse
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from typing import NamedTuple

import numpy as np

from benchmarks.events import PageLoads
from benchmarks.markdown import markdown
from monitor.demo.story import tell
from streams.metrics.columns import Columns
from streams.metrics.contact import METRICS as CONTACTS
from streams.metrics.page_load import METRICS
from streams.metrics.stored import Layout
from streams.windows import time
from streams.windows.pane import BLOCKS
from streams.windows.partition import Partition
from streams.windows.seen import CHUNK
from streams.windows.storage import Ledger
from streams.windows.uniques import REGISTERS
from tests.streams.records import START, raw

Array = np.ndarray
SAMPLE = 20_000
CELL, BUCKET, REGISTER = 1, 2, 2  # bytes that say which it is: the step from the one before
TOTAL = 8  # bytes of the largest sum of all time
ROW, FIELD, NAME, VERSION, IDENTITY = 4, 110, 70, 18, 8  # FIELD: its name, head, length and place in the hash
PACKING = 1.1  # Redis has blocks of a few sizes, and takes the next larger one
MINUTES, PANES_A_MINUTE = time.MINUTES_KEPT_MS // time.MINUTE_MS, time.MINUTE_MS // time.PANE_MS


@dataclass(frozen=True, slots=True)
class Installation:
    """Page loads of apps. `values`: how many each dimension has, in each app."""

    apps: int
    values: Sequence[int]
    partitions: int
    rate: float  # events a second, of all together
    lateness_seconds: int = 120
    minutes: int = MINUTES

    @property
    def series(self) -> int:
        return self.apps * (1 + sum(self.values))

    @property
    def panes(self) -> int:
        """Open at most: those that wait for late events, and for the minute that they belong to to be over."""
        return self.lateness_seconds // 10 + PANES_A_MINUTE + 1

    def keeping(self, minutes: int) -> "Installation":
        """The same with fewer minutes: as it is when it has not been running for long."""
        return replace(self, minutes=minutes)

    def bytes(self) -> float:
        """Of all partitions, at most."""
        a_minute = 60 * self.rate / self.partitions
        a_pane = a_minute / PANES_A_MINUTE
        parts = self.apps * [self.apps * part for part in (1, *(n for n in self.values for _ in range(n)))]
        stretches = self.minutes * stretch(a_minute, parts) + self.panes * stretch(a_pane, parts, BLOCKS)
        totals = len(parts) * (ROW + (CELL + TOTAL) * float((touched().cells > 0).sum()))
        identities = IDENTITY * a_pane * self.panes
        fields = min(BLOCKS, self.series) * (self.panes + 2) + self.minutes + self.panes * (1 + a_pane / CHUNK)
        others = fields * (FIELD + VERSION) + self.series * NAME
        return self.partitions * (PACKING * (stretches + totals + identities) + others)


class Touched(NamedTuple):
    """The share of page loads that touch each cell, and each bucket; and what the largest sum takes of each of them."""

    cells: Array
    buckets: Array
    amount: float


@cache
def touched() -> Touched:
    """As a sample of events has it."""
    rng, partition = random.Random(1), Partition(METRICS)
    records = [raw(number, PageLoads().event(rng, number, START)) for number in range(SAMPLE)]
    decoded = partition._decoder.decode(records)  # noqa: SLF001 - what a partition makes of records
    layout = Layout(METRICS.figures)
    added = layout.measure(Columns(decoded.events))
    cells = np.bincount(added.cells[1], minlength=layout.cells) + np.bincount(added.sums[1], minlength=layout.cells)
    buckets = np.bincount(added.buckets[1], minlength=layout.buckets)
    amounts = np.bincount(added.sums[1], added.sums[2])
    return Touched(cells / SAMPLE, buckets / SAMPLE, float(amounts.max()) / SAMPLE)


def stretch(events: float, parts: Sequence[int], fields: int = 1) -> float:
    """Bytes that so many events touch on average in a pane or minute, each of another person. One in `parts` of them goes to a
    series; the largest of a field says how wide its numbers are."""
    widest = [min(parts[field::fields]) for field in range(min(fields, len(parts)))]
    series = Counter((part, widest[number % fields]) for number, part in enumerate(parts))
    return sum(count * _of_a_series(events / part, events / most) for (part, most), count in series.items())


def _of_a_series(events: float, most: float) -> float:
    cells, buckets = (_touched_by(events, shares).sum() for shares in touched()[:2])
    registers = REGISTERS * _touched_by(events, 1 / REGISTERS)
    cell, bucket = CELL + _width(most * touched().amount), BUCKET + _width(most * touched().buckets.max())
    return float(ROW * _touched_by(events, 1) + cell * cells + bucket * buckets + (REGISTER + 1) * registers)


def _touched_by(events: float, share: Array | float) -> Array:
    """How likely it is that one of them touches what so great a share of all events touches."""
    return -np.expm1(-events * share)


def _width(largest: float) -> int:
    """Bytes of a number up to this."""
    return int(np.min_scalar_type(int(largest)).itemsize)


def kept(events_a_minute: float, lateness_seconds: int = 120) -> float:
    """Bytes of a series in one partition, of all that is kept of it."""
    some = Installation(1, (), 1, events_a_minute / 60, lateness_seconds)
    return PACKING * (MINUTES * stretch(events_a_minute, [1]) + some.panes * stretch(events_a_minute / PANES_A_MINUTE, [1]))


def contact() -> float:
    """Bytes of what is known of a contact, in the demo's story. Each has a field of its own, where a partition knows few."""
    partition = Partition(CONTACTS)
    steps = [moment.fields for moment in islice(tell(1), SAMPLE) if moment.family == "contact"]
    partition.apply([raw(number, {**fields, "timestamp": START}) for number, fields in enumerate(steps)])
    stored = [content for name, content in Ledger(partition).checkpoint().fields.items() if name.startswith(b"t:")]
    return sum(FIELD + PACKING * len(content) for content in stored) / len({fields["contact"] for fields in steps})


def tables() -> str:
    """Bytes of what the tables of families keep for a day."""
    rows = [
        ["a session of an app (`app-session`)", str(IDENTITY)],
        ["a session that crashed, or that did not answer (`app-crash`), each", str(IDENTITY)],
        ["a contact (`contact`)", f"{contact():.0f}"],
    ]
    return markdown(["kept for a day", "bytes"], rows)


def table() -> str:
    """KiB of a series in a partition."""
    rates = (1, 10, 100, 1000, 10_000)
    rows = [[f"{rate:,}", *(f"{kept(rate, lateness) / 1024:,.0f}" for lateness in (120, 300, 600))] for rate in rates]
    return markdown(["events a minute of the series in the partition", "KiB, lateness 2 min", "5 min", "10 min"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--apps", type=int, required=True)
    parser.add_argument("--values", required=True, help="how many values each dimension has, separated by commas")
    parser.add_argument("--partitions", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True, help="events a second, of all apps together")
    parser.add_argument("--lateness", type=int, default=120, help="XMON_LATENESS_SECONDS")
    given = parser.parse_args()
    values = [int(number) for number in given.values.split(",")]
    found = Installation(given.apps, values, given.partitions, given.rate, given.lateness)
    print(f"{found.series:,} series in {found.partitions} partitions: {found.bytes() / (1 << 20):,.0f} MiB")


if __name__ == "__main__":
    main()
