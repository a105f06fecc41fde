"""A snapshot made of plausible numbers, and the alerts it deserves: what the page, the API and `/metrics` are tried on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf, nan, sin, sqrt
from types import MappingProxyType

from alerts.notify.target import TargetStatus
from alerts.overview import AlertsStatus, AlertView
from streams.reading.figures import HistogramTotal, Reading, Series, Total
from streams.reading.health import Health, PartitionHealth, WorkerHealth
from streams.state.keys import PartitionId

NOON_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z
SECONDS = {"1m": 60, "5m": 300, "15m": 900, "1h": 3600}
WEB = ("page", "country", "device", "browser", "release")
APP = ("release", "os", "device")
DESK = ("channel", "queue", "topic")
VALUES = {
    "page": ("/", "/checkout", "/search", "/orders/:id", "/login", "__other__"),
    "country": ("DE", "US", "JP", "BR", "unknown"),
    "device": ("mobile", "desktop", "tablet"),
    "browser": ("Chrome", "Safari", "Firefox", "Edge"),
    "release": ("4.2.0", "4.1.3"),
    "os": ("iOS 19", "Android 17"),
    "channel": ("chat", "call", "email"),
    "queue": ("billing", "orders"),
    "topic": ("refund", "delivery", "account"),
}
DISTRIBUTION = ("p75", "p50", "p95", "p99", "mean")
VARIANTS = tuple({"variant": f"f{i}"} for i in range(1, 7))
RATINGS = tuple(
    {"vital": vital, "rating": rating} for vital in ("lcp", "inp", "cls") for rating in ("good", "needs_improvement", "poor")
)


@dataclass(frozen=True)
class Row:
    """A row of the catalogue, with the level its values move around and the events a second behind them."""

    name: str
    help: str
    kind: str
    unit: str
    better: str
    questions: tuple[str, ...]
    dimensions: tuple[str, ...]
    level: float
    rate: float = 40.0
    statistics: tuple[str, ...] = ("value",)
    family: str = "page-load"
    variants: tuple[Mapping[str, str], ...] = ({},)

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.variants[0])


def _distribution(name, text, level, *questions, dimensions=WEB, unit="seconds"):
    return Row(name, text, "distribution", unit, "lower", questions, dimensions, level, statistics=DISTRIBUTION)


def _ratio(name, text, better, level, *questions, dimensions=WEB, rate=40.0, **more):
    return Row(name, text, "ratio", "ratio", better, questions, dimensions, level, rate, **more)


def _counter(name, text, level, *questions, dimensions=WEB, **more):
    return Row(name, text, "counter", "", "", questions, dimensions, level, statistics=("per_second", "count"), **more)


ROWS = (
    _counter("page_views", "Pages that were opened.", 41.0, "I1"),
    _ratio("page_load_failure_ratio", "Page loads that never came or failed.", "lower", 0.0042, "W1"),
    _ratio("page_overload_ratio", "Page loads refused because the site was overloaded.", "lower", 0.0007, "W1"),
    _distribution("page_load_seconds", "From navigation to the end of loading.", 1.84, "W4"),
    Row("page_load_apdex", "Satisfied and half of the tolerating, of all.", "score", "ratio", "higher", ("W4",), WEB, 0.91),
    _distribution("lcp_seconds", "Largest contentful paint.", 2.31, "W4"),
    _distribution("inp_seconds", "Interaction to next paint.", 0.164, "W4"),
    _distribution("cls", "Cumulative layout shift.", 0.081, "W4", unit=""),
    _ratio("web_vital_share", "Good, middling and poor values of each vital.", "", 0.6, "W4", variants=RATINGS),
    Row("page_errors_per_view", "Errors a page view.", "rate", "ratio", "lower", ("W3",), WEB, 0.0163),
    _counter(
        "page_errors",
        "Errors on pages, by kind.",
        0.22,
        "W3",
        variants=tuple({"kind": kind} for kind in ("javascript", "promise", "resource", "network")),
    ),
    Row("link_errors_per_view", "Broken links a page view.", "rate", "ratio", "lower", ("W2",), ("page",), 0.0031),
    Row("visitors", "Different people.", "uniques", "", "", ("M1",), WEB, 3120.0),
    _counter("app_sessions", "Sessions of the app.", 6.2, "M1", dimensions=APP),
    _ratio("crash_free_session_ratio", "Sessions without a crash.", "higher", 0.9971, "M2", dimensions=APP, rate=6.2),
    _ratio("anr_ratio", "Sessions that stopped responding.", "lower", 0.0013, "M2", dimensions=APP, rate=6.2),
    _distribution("app_start_seconds", "From tap to first frame.", 0.87, "M3", dimensions=APP),
    Row("contacts_waiting", "People who wait for an answer now.", "live", "", "lower", ("S2",), ("queue",), 7.0),
    Row("longest_wait_seconds", "Longest wait of them.", "live", "seconds", "lower", ("S2",), ("queue",), 94.0),
    _ratio("service_level", "Answered within 20 s.", "higher", 0.8269, "S2", dimensions=DESK, rate=0.6, variants=VARIANTS),
    _distribution("contact_wait_seconds", "From queueing to the answer.", 17.2, "S2", dimensions=DESK),
    _ratio(
        "abandonment_ratio",
        "Contacts given up while waiting.",
        "lower",
        0.0566,
        "S3",
        dimensions=DESK,
        rate=0.6,
        variants=({"variant": "raw"}, {"variant": "excluding_short"}),
    ),
    _ratio("first_contact_resolution_ratio", "Solved at the first attempt.", "higher", 0.78, "S1", dimensions=DESK, rate=0.3),
)


class FakeSnapshot:
    """Obeys the contract of `streams.reading.snapshot.Snapshot`; `at_ms` moves the numbers."""

    def __init__(self, at_ms=NOON_MS, scopes=(("shop", "production"), ("shop", "staging")), complete=True, rows=ROWS):
        self.at_ms = at_ms
        self.complete = complete
        self.problems = () if complete else ("experience.page-load:3 is 12 s behind.",)
        self.figures = MappingProxyType({row.name: row for row in rows})
        self._scopes = tuple(scopes)

    def scopes(self):
        return self._scopes

    def read(self, figure, window, dimension="all"):
        return self._read(self.figures[figure], SECONDS[window], dimension)

    def read_span(self, figure, from_ms, to_ms, dimension="all"):
        return self._read(self.figures[figure], (to_ms - from_ms) / 1000, dimension)

    def align(self, from_ms, to_ms):
        return from_ms - from_ms % 10_000, to_ms + -to_ms % 10_000

    def totals(self):
        found = []
        for app, environment in self._scopes:
            series = Series(app, environment)
            for row in self.figures.values():
                if row.kind == "counter":
                    found += [Total(row.name, series, tuple(v.items()), 1000 + i) for i, v in enumerate(row.variants)]
                elif row.kind == "distribution":
                    found.append(HistogramTotal(row.name, series, ((1.0, 400), (3.0, 940), (inf, 1000)), 1830.25))
        return tuple(found)

    def _read(self, row, seconds, dimension):
        values = VALUES[dimension] if dimension != "all" else ("all",)
        found = []
        for place, (app, environment) in enumerate(self._scopes):
            for index, value in enumerate(values):
                share = 1.0 if dimension == "all" else 1 / (1 + 3 * index)
                n = max(1, int(row.rate * seconds * share / (1 + 40 * place)))
                shift = 1.0 + 0.13 * index if dimension != "all" else 1.0
                series = Series(app, environment, dimension, value)
                found += self._variants(row, series, n, shift)
        return tuple(found)

    def _variants(self, row, series, n, shift):
        for i, labels in enumerate(row.variants):
            for j, statistic in enumerate(row.statistics):
                wave = 1 + 0.06 * sin(self.at_ms / 47_000 + len(row.name)) + 0.02 * sin(self.at_ms / 9_000)
                value = _value(row, statistic, labels, wave, shift, i, j)
                value = float(n) if statistic == "count" else value
                low, high = _interval(row, value, n)
                yield Reading(series, statistic, value, n, tuple(labels.items()), low, high)


def _value(row, statistic, labels, wave, shift, i, j):
    if "rating" in labels:
        return (0.74, 0.17, 0.09)[i % 3]
    if row.kind == "ratio" and row.level > 0.5:
        return 1 - (1 - row.level) * wave * shift * (1 + 0.04 * i)
    if row.kind in {"live", "uniques"}:
        return float(round(row.level * wave * shift))
    scale = (1.0, 0.55, 2.4, 4.1, 0.8)[j] if row.kind == "distribution" else 1.0
    return row.level * wave * shift * scale / (1 + 2 * i)


def _interval(row, value, n):
    if row.kind == "ratio":
        half = 1.96 * sqrt(max(value * (1 - value), 1e-9) / n)
        return max(0.0, value - half), min(1.0, value + half)
    if row.kind == "live":
        return nan, nan
    half = 1.96 * abs(value) / sqrt(n)
    return max(0.0, value - half), value + half


@dataclass
class FakeSource:
    """A reader whose snapshot and health a test sets."""

    snapshot: FakeSnapshot | None = field(default_factory=FakeSnapshot)
    health: Health = field(default_factory=lambda: healthy())  # noqa: PLW0108  it stands below


def healthy(**more):
    partition = PartitionId("experience.page-load", 0)
    return Health(
        **{
            "up": True,
            "age_seconds": 0.4,
            "complete": True,
            "workers": (WorkerHealth("worker-1", "0.1.0", (partition,)),),
            "partitions": (PartitionHealth(partition, 300_600, 0, 0.012, 48_213),),
            "records_total": MappingProxyType({"experience.page-load": 300_600}),
            "dead_letters_total": MappingProxyType({"bad_json": 3, "clock_skew": 1}),
            "late_events_total": MappingProxyType({"experience.page-load": 12}),
        }
        | more
    )


def alert(rule, figure, series, **more):
    """An alert on a figure of this snapshot; `more` is what a test cares for."""
    usual = {"summary": rule, "severity": "critical", "state": "firing", "statistic": "value", "window": "5m"}
    numbers = {"value": nan, "limit": nan, "above": True, "since_ms": NOON_MS - 60_000}
    return AlertView(id=rule, rule=rule, figure=figure, series=series, **usual | numbers | more)


CRITICAL = alert(
    "page-load-failures",
    "page_load_failure_ratio",
    Series("shop", "production", "page", "/checkout"),
    summary="failed page loads",
    owner="web team",
    runbook="https://runbooks.example/page-load",
    since_ms=NOON_MS - 372_000,
    value=0.0431,
    limit=0.02,
    n=2940,
    low=0.0364,
    high=0.0511,
    common="84 % of the failed loads share release 4.2.0 and browser Safari (11 % of all loads).",
)
WARNING = alert(
    "service-level",
    "service_level",
    Series("shop", "production"),
    summary="contacts answered in 20 s",
    severity="warning",
    above=False,
    owner="support",
    window="15m",
    since_ms=NOON_MS - 64_000,
    labels=(("variant", "f4"),),
    value=0.71,
    limit=0.8,
    n=540,
    low=0.67,
    high=0.747,
)


class FakeAlerts:
    """An alert engine that found what it is given."""

    def __init__(self, *found):
        self.found = found

    def alerts(self):
        return self.found

    def status(self):
        return AlertsStatus(
            rules=14,
            leading=True,
            evaluated_at_ms=NOON_MS,
            firing={name: sum(a.severity == name for a in self.found) for name in ("critical", "warning")},
            transitions={("service-level", "fired"): 2},
            targets=(TargetStatus("alertmanager", 4), TargetStatus("chat", 2, 1, 0, 1, last_error="HTTP 503")),
        )
