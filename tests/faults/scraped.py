"""What `/metrics` says, beside what the oracle counts. All of it is of one snapshot, of which we know the instant."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from tests.e2e.monitor import Process, Scrape
from tests.faults import readings
from tests.faults.asked import instant
from tests.faults.equal import Numbers, unequal
from tests.faults.expected import Expected
from tests.faults.figures import DISTRIBUTIONS
from tests.faults.model import FIGURES, LABELS, NOW, PEOPLE
from tests.faults.oracle import PANE_MS
from tests.faults.site import Site

PATIENCE_SECONDS = 60.0
WINDOWS = {"1m": 60_000, "5m": 300_000, "15m": 900_000, "1h": 3_600_000}
HEALTH = {  # count of the oracle → name
    "records": "records",
    "late": "late_events",
    "duplicates": "duplicate_events",
    "clock_corrections": "clock_corrections",
    "unknown_fields": "unknown_fields",
    "offsets_lost": "offsets_lost",
}
SERIES = ("app", "environment", "dimension", "value")


def differences(site: Site, serve: Process, expected: Expected) -> list[str]:
    scrape, at_ms = _of_one_snapshot(site, serve)
    where = f"{serve.directory.name} /metrics"
    return [
        *unequal(where, _cumulative_wanted(expected.lifetime), _cumulative_found(scrape)),
        *unequal(where, _windowed_wanted(expected, at_ms), _windowed_found(scrape)),
        *unequal(where, _health_wanted(site, expected), _health_found(scrape)),
    ]


def _of_one_snapshot(site: Site, serve: Process) -> tuple[Scrape, int]:
    """A scrape and the instant of its snapshot: the API's, which said the same before and after."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        before, text, after = instant(site, serve), site.http.get(f"{serve.url}/metrics").text, instant(site, serve)
        if before == after:
            return Scrape(text), before
    raise AssertionError(f"{serve.directory.name}: no scrape within one snapshot")


# -- since the beginning


def _cumulative_wanted(lifetime: Counter[Any]) -> Numbers:
    """Counters of all series, histograms of totals."""
    found: dict[Any, float] = Counter()
    for (series, (figure, kind, which)), amount in lifetime.items():
        if kind == "count":
            found[f"xmon_{figure}_total", *series, which] = amount
        elif series[2] == "all" and kind == "le":
            found[f"xmon_{figure}_count", *series, ()] += amount
            for bound in range(len(DISTRIBUTIONS[figure][0]) + 1):
                found[f"xmon_{figure}_bucket", *series, bound] += amount if which <= bound else 0
            total = lifetime[series, (figure, "sum", ())]
            found[f"xmon_{figure}_sum", *series, ()] = total * readings.UNIT.get(figure, 1e-6)
    return found


def _cumulative_found(scrape: Scrape) -> Numbers:
    found: dict[Any, float] = {}
    for figure in FIGURES:
        bounds = [*(_bound(figure, threshold) for threshold in DISTRIBUTIONS.get(figure, [()])[0]), "+Inf"]
        for suffix in ("_count", "_bucket", "_sum") if figure in DISTRIBUTIONS else ("_total",):
            for name, series, labels, value in _samples(scrape, f"xmon_{figure}{suffix}"):
                rest = bounds.index(labels["le"]) if suffix == "_bucket" else _extra(figure, labels)
                found[name, *series, rest] = value
    return found


def _bound(figure: str, threshold: float) -> str:
    """As it is written in `le`: in the unit that is published."""
    milliseconds = figure.endswith("_seconds") and figure not in readings.UNIT
    return str(threshold / 1000 if milliseconds else float(threshold))


def _samples(scrape: Scrape, name: str) -> Iterator[tuple[str, tuple[str, ...], dict[str, str], float]]:
    """Name, series, labels and value."""
    for key, value in scrape._samples.get(name, {}).items():
        labels = dict(key)
        yield name, tuple(labels[one] for one in SERIES), labels, value


def _extra(figure: str, labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(labels[one] for one in LABELS.get(figure, ()))


# -- in windows


def _windowed_wanted(expected: Expected, at_ms: int) -> Numbers:
    """Totals in every window, each of which ends with the running pane; and what waits at that moment."""
    now = expected.now(at_ms).items()
    found: dict[Any, float] = {(f"xmon_{figure}", *series, (), "", ""): value for (figure, *series), value in now}
    until = at_ms // PANE_MS * PANE_MS + PANE_MS
    for window, length in WINDOWS.items():
        stretch = expected.aligned(until - length, until)
        said = readings.of_span(expected.totals(stretch), (at_ms - stretch[0]) / 1000)
        for (figure, statistic, *series, labels), reading in said.items():
            for name, more, value in _told(figure, statistic, reading):
                found[name, *series, labels, window, more] = value
    return found


def _told(figure: str, statistic: str, reading: readings.Reading) -> Iterator[tuple[str, str, float]]:
    """(name, what of it, value) of the samples of one reading: docs/metrics.md."""
    name = f"xmon_{figure}"
    if statistic == "per_second":
        yield f"{name}_per_second", "", reading.value
    elif figure in PEOPLE:
        yield name, "", reading.value
    elif statistic.startswith("p"):
        yield f"{name}_quantile", f"{float(statistic[1:]) / 100:g}", reading.value
    elif statistic != "count":
        yield f"{name}_n", "", reading.n
        name += "" if statistic == "value" else "_mean"
        yield name, "", reading.value
        if reading.low is not None and reading.high is not None:
            yield f"{name}_interval", "low", reading.low
            yield f"{name}_interval", "high", reading.high


def _windowed_found(scrape: Scrape) -> Numbers:
    found: dict[Any, float] = {}
    for figure in FIGURES:
        for suffix in ("", "_n", "_interval", "_per_second", "_quantile", "_mean", "_mean_interval"):
            for name, series, labels, value in _samples(scrape, f"xmon_{figure}{suffix}"):
                if series[2] == "all" or figure in NOW:
                    more = labels.get("bound", labels.get("quantile", ""))
                    found[name, *series, _extra(figure, labels), labels.get("window", ""), more] = value
    return found


# -- the monitor's own


def _health_wanted(site: Site, expected: Expected) -> Numbers:
    found: dict[Any, float] = Counter()
    for (family, _), oracle in expected.oracles.items():
        found["xmon_dropped_values_total", site.monitor.topic(family)] += oracle.names.dropped
        for name, n in oracle.counts.items():
            kind, _, reason = name.partition(":")
            if reason:
                found["xmon_dead_letters_total", reason] += n
            elif kind in HEALTH:
                found[f"xmon_{HEALTH[kind]}_total", site.monitor.topic(family)] += n
    return _nonzero(found)


def _health_found(scrape: Scrape) -> Numbers:
    names = [f"xmon_{name}_total" for name in (*HEALTH.values(), "dead_letters", "dropped_values")]
    samples = ((name, labels, value) for name in names for labels, value in scrape._samples.get(name, {}).items())
    return _nonzero({(name, *dict(labels).values()): value for name, labels, value in samples})


def _nonzero(counters: Numbers) -> Numbers:
    """A counter that is not there has counted nothing."""
    return {key: value for key, value in counters.items() if value}
