"""What the monitor must say of a stretch of time, from the oracle's cells and by the published definitions alone."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from tests.faults import intervals
from tests.faults.equal import Near
from tests.faults.figures import DISTRIBUTIONS, Series, bounds
from tests.faults.oracle import Cells

Labels = tuple[str, ...]
Said = dict[tuple[Any, ...], "Reading"]  # by (figure, statistic, *series, labels)
REGISTERS, RANKS = 2048, 53
SUMS = ("frames", "slow_frames", "frozen_frames")  # of what events tell; not so many independent samples
QUANTILES = (0.5, 0.75, 0.9, 0.95, 0.99)
UNIT = {  # what one of the whole numbers that are added up is, where it is not a microsecond
    "cls": 1e-4,
    **dict.fromkeys(
        ("contact_wait_seconds", "contact_abandon_seconds", "handle_seconds", "resolution_seconds", "first_reply_seconds"), 1e-3
    ),
}
VITALS = {
    "lcp": ("lcp_seconds", 2500, 4000),
    "inp": ("inp_seconds", 200, 500),
    "cls": ("cls", 0.1, 0.25),
    "fcp": ("fcp_seconds", 1800, 3000),
    "ttfb": ("ttfb_seconds", 800, 1800),
}


class Reading(NamedTuple):
    """One value of a figure, how many samples are behind it, and its interval where it has one."""

    value: float
    n: int
    low: float | None = None
    high: float | None = None


class Row:
    """The cells of one series, of all families."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str], Counter[Any]] = defaultdict(Counter)

    def count(self, name: str) -> int:
        return sum(self.cells[name, "count"].values())

    def n(self, name: str) -> int:
        return sum(self.cells[name, "le"].values())

    def within(self, name: str, threshold: float) -> int:
        last = DISTRIBUTIONS[name][0].index(threshold)
        return sum(amount for at, amount in self.cells[name, "le"].items() if at <= last)

    def people(self, name: str) -> int:
        return round(estimate(self.cells[name, "register"].values()))


Amount = Callable[[Row], int]
Told = tuple[str, str, Labels, Reading]  # figure, statistic


def count(name: str) -> Amount:
    return lambda row: row.count(name)


def _service_level(variant: str) -> tuple[Amount, Amount]:
    """Six definitions: answered within 20 s, of those who were answered or gave up."""

    def part(row: Row) -> int:
        more = {"f1": row.within("contact_abandon_seconds", 20), "f5": row.within("contact_abandon_seconds", 5)}
        return row.within("contact_wait_seconds", 20) + more.get(variant, 0)

    def whole(row: Row) -> int:
        answered, gave_up = row.n("contact_wait_seconds"), row.n("contact_abandon_seconds")
        less = {"f2": gave_up, "f4": row.within("contact_abandon_seconds", 20), "f6": row.within("contact_abandon_seconds", 5)}
        return answered + gave_up - less.get(variant, 0)

    return part, whole


def _short(row: Row) -> int:
    return row.within("contact_abandon_seconds", 5)


def _outcomes(row: Row) -> int:
    return row.count("contacts_answered") + row.count("contacts_abandoned")


def _vital(vital: str, rating: str) -> tuple[Amount, Amount]:
    name, good, poor = VITALS[vital]
    parts: dict[str, Amount] = {
        "good": lambda row: row.within(name, good),
        "needs_improvement": lambda row: row.within(name, poor) - row.within(name, good),
        "poor": lambda row: row.n(name) - row.within(name, poor),
    }
    return parts[rating], lambda row: row.n(name)


SHARES: dict[tuple[str, Labels], tuple[Amount, Amount]] = {
    ("page_load_failure_ratio", ()): (count("page_load_failures"), count("page_views")),
    ("page_overload_ratio", ()): (count("page_overloads"), count("page_views")),
    ("anr_ratio", ()): (count("anr_sessions"), count("app_sessions")),
    ("crash_free_session_ratio", ()): (lambda r: r.count("app_sessions") - r.count("crashed_sessions"), count("app_sessions")),
    ("bot_containment_ratio", ()): (count("bot_contained_contacts"), count("bot_contacts")),
    ("first_reply_within_hour_ratio", ()): (
        lambda row: row.within("first_reply_seconds", 3600),
        lambda row: row.n("first_reply_seconds"),
    ),
    ("abandonment_ratio", ("raw",)): (count("contacts_abandoned"), _outcomes),
    ("abandonment_ratio", ("excluding_short",)): (
        lambda row: row.count("contacts_abandoned") - _short(row),
        lambda row: _outcomes(row) - _short(row),
    ),
    **{("service_level", (variant,)): _service_level(variant) for variant in ("f1", "f2", "f3", "f4", "f5", "f6")},
    **{
        ("web_vital_share", (vital, rating)): _vital(vital, rating)
        for vital in VITALS
        for rating in ("good", "needs_improvement", "poor")
    },
}
"""(figure, labels) → the part and the whole; the part is held within the whole."""


def of_span(cells: Cells, seconds: float) -> Said:
    """Every figure of a stretch of so many seconds but those of now: counts, means, quantiles, people, shares, rates and
    scores."""
    rows: dict[Series, Row] = defaultdict(Row)
    for (series, (figure, kind, which)), amount in cells.items():
        rows[series].cells[figure, kind][which] = amount
    return {
        (figure, statistic, *series, labels): reading
        for series, row in rows.items()
        for figure, statistic, labels, reading in _all(row, seconds)
        if reading.n > 0
    }


def _all(row: Row, seconds: float) -> Iterator[Told]:
    for (figure, kind), cells in list(row.cells.items()):
        if kind == "count":
            for labels, n in cells.items():
                for statistic, over in (("count", 1), ("per_second", seconds)):
                    interval = () if figure in SUMS else intervals.poisson(n, over)
                    yield figure, statistic, labels, Reading(n / over, n, *interval)
        elif kind == "register":
            people = row.people(figure)
            yield figure, "value", (), Reading(people, people, *intervals.people(people, REGISTERS))
        elif kind == "bucket":
            yield from ((figure, f"p{100 * q:g}", (), quantile(figure, cells, q)) for q in QUANTILES)
            yield figure, "mean", (), (mean := _mean(row, figure))
            if figure == "contact_wait_seconds":
                yield "average_speed_of_answer_seconds", "value", (), mean
    yield from _derived(row)


def _mean(row: Row, figure: str) -> Reading:
    """Exact; its interval from the variance of what the buckets stand for."""
    n, unit = row.n(figure), UNIT.get(figure, 1e-6)
    value = Near(unit * row.cells[figure, "sum"][()] / n)
    if n < 2:  # one value does not vary
        return Reading(value, n)
    shares = [(middle(figure, bucket), amount) for bucket, amount in row.cells[figure, "bucket"].items()]
    centre = sum(at * amount for at, amount in shares) / n
    variance = sum(amount * (at - centre) ** 2 for at, amount in shares) / (n - 1)
    return Reading(value, n, *intervals.mean(value, unit**2 * variance, n))


def _derived(row: Row) -> Iterator[Told]:
    for (figure, labels), (part, whole) in SHARES.items():
        if (n := whole(row)) > 0:
            share = min(max(part(row), 0), n)
            yield figure, "value", labels, Reading(share / n, n, *intervals.wilson(share, n))
    if (reports := row.count("frame_reports")) and (frames := row.count("frames")):
        for kind in ("slow", "frozen"):  # a report is one sample, however many frames it tells of
            share = min(row.count(f"{kind}_frames") / frames, 1)
            yield f"{kind}_frame_ratio", "value", (), Reading(share, reports, *intervals.wilson(share * reports, reports))
    if users := row.people("active_users"):
        crashed = row.people("crashed_users")
        interval = intervals.people_without(crashed, users, REGISTERS)
        yield "crash_free_user_ratio", "value", (), Reading(max(users - crashed, 0) / users, users, *interval)
    if views := row.count("page_views"):
        errors = row.count("link_errors")
        yield "link_errors_per_view", "value", (), Reading(errors / views, views, *intervals.poisson(errors, views))
    if n := row.n("page_load_seconds") + row.count("page_load_failures"):
        satisfied, not_frustrated = row.within("page_load_seconds", 2000), row.within("page_load_seconds", 8000)
        yield "page_load_apdex", "value", (), _apdex(satisfied, not_frustrated - satisfied, n)


def _apdex(satisfied: int, tolerating: int, n: int) -> Reading:
    """Each load scores 1, ½ or 0. Apdex Technical Specification 1.1 (2007)."""
    score = (satisfied + tolerating / 2) / n
    if n < 2:
        return Reading(score, n)
    frustrated = n - satisfied - tolerating
    squares = satisfied * (1 - score) ** 2 + tolerating * (0.5 - score) ** 2 + frustrated * score**2
    low, high = intervals.mean(score, squares / (n - 1), n)
    return Reading(score, n, low, min(high, intervals.Bound(1)))


def quantile(figure: str, buckets: Mapping[int, int], q: float) -> Reading:
    """What stands for the bucket that holds rank ⌊q·(n−1)⌋. The ends of its interval are those of the buckets that hold the
    ranks between which it lies by the binomial spread: Conover, Practical Nonparametric Statistics, 3.2."""
    n, unit = sum(buckets.values()), UNIT.get(figure, 1e-6)
    spread, limits = intervals.Z * math.sqrt(n * q * (1 - q)), bounds(figure)
    first = _bucket(buckets, max(math.floor(q * n - spread), 0))
    last = _bucket(buckets, min(math.ceil(q * n + spread), n - 1))
    low, high = limits[first - 1] if first else 0, limits[last] - 1 if last < len(limits) else limits[-1]
    value = middle(figure, _bucket(buckets, math.floor(q * (n - 1))))
    return Reading(Near(unit * value), n, Near(unit * low), Near(unit * high))


def _bucket(buckets: Mapping[int, int], rank: int) -> int:
    """The bucket that holds the value of this rank."""
    for bucket in sorted(buckets):
        rank -= buckets[bucket]
        if rank < 0:
            return bucket
    raise ValueError(rank)


def middle(figure: str, bucket: int) -> float:
    """What stands for a bucket, as DDSketch has it, in whole units."""
    limits = bounds(figure)
    if bucket == 0:
        return 0.0
    low, high = limits[bucket - 1], limits[bucket] - 1 if bucket < len(limits) else limits[-1]
    return 2 * low * high / (low + high)


def estimate(ranks: Any) -> float:
    """How many different people: Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6."""
    counts = Counter(ranks)
    counts[0] = REGISTERS - counts.total()
    z = REGISTERS * _tau(1 - counts[RANKS + 1] / REGISTERS)
    for rank in range(RANKS, 0, -1):
        z = (z + counts[rank]) / 2
    return REGISTERS**2 / (2 * math.log(2)) / (z + REGISTERS * _sigma(counts[0] / REGISTERS))


def _sigma(x: float) -> float:
    y, z, before = 1.0, x, -1.0
    while z != before:
        x, before = x * x, z
        z, y = z + x * y, 2 * y
    return z


def _tau(x: float) -> float:
    if x in (0, 1):
        return 0.0
    y, z, before = 1.0, 1 - x, -1.0
    while z != before:
        x, before, y = math.sqrt(x), z, y / 2
        z -= (1 - x) ** 2 * y
    return z / 3
