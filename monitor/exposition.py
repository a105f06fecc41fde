"""The Prometheus exposition, rendered from the snapshot: a scrape never touches the store.

Names: `xmon_<figure>` for ratios, scores, rates, uniques and live figures; `_quantile`, `_mean` and `_per_second` for the
other windowed statistics; `_n` for the samples behind a figure and `_interval{bound}` for its 95 % interval; `_total` and
`_bucket/_sum/_count` for what is cumulative. Quantiles are of type summary, the one type whose samples may carry `quantile`.

Totals tell everything. The values of dimensions are many: they tell their counters, and windowed figures with `_n` in few
windows and quantiles, without interval or histogram (docs/decisions/0007-exposition-size.md).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from math import inf, isfinite, isnan

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from alerts.overview import AlertsStatus
from monitor.ports import WINDOWS, Alerts, NoAlerts, Snapshot, Source
from streams.metrics.catalogue import Figure
from streams.reading.figures import HistogramTotal, Reading, Series, Total
from streams.reading.health import STALE_AFTER_SECONDS, Health

_COUNTERS = (  # field of Health, its label, meaning
    ("dead_letters_total", "reason", "Records refused and sent to the dead-letter topic."),
    ("records_total", "topic", "Records applied to the figures."),
    ("late_events_total", "topic", "Events that came after their pane had closed, counted nowhere else."),
    ("duplicate_events_total", "topic", "Events whose id had been counted before."),
    ("clock_corrections_total", "topic", "Events whose timestamp lay after their arrival and was set back to it."),
    ("unknown_fields_total", "topic", "Fields of events that no figure knows."),
    ("dropped_values_total", "topic", "Events whose dimension value was folded into __other__."),
    ("offsets_lost_total", "topic", "Records the log had deleted before they were read."),
)
_PARTITION = (  # field of PartitionHealth, metric, meaning
    ("lag", "xmon_lag_records", "Records of a partition that wait to be applied."),
    ("next_offset", "xmon_next_offset", "Offset of the next record to apply."),
    ("checkpoint_seconds", "xmon_checkpoint_seconds", "How long the last checkpoint took."),
    ("checkpoint_bytes", "xmon_checkpoint_bytes", "Size of the last checkpoint."),
)
_SAMPLED = frozenset({"ratio", "rate", "score", "distribution"})
"""Kinds that come with `n` and interval; of a count, `n` would only repeat the value."""
VALUE_WINDOWS = ("5m",)
_VALUE_QUANTILES = frozenset({"p50", "p75", "p95"})


class Exposition:
    """Renders what a source and, where there is one, an alert engine have to tell."""

    def __init__(self, source: Source, alerts: Alerts | None = None, value_windows: Collection[str] = VALUE_WINDOWS) -> None:
        self._source = source
        self._value_windows = value_windows
        self._alerts = alerts or NoAlerts()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Returns body and content type, in OpenMetrics where `accept` asks for it; an odd `accept` gets plain text."""
        try:
            encode, content_type = choose_encoder(accept)
        except (ValueError, TypeError):  # a version that is none
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Everything while the data is fresh; only that it is not, once it has gone stale."""
        snapshot, health = self._source.snapshot, self._source.health
        yield from _condition(health)
        yield from _alerting(self._alerts.status())
        if snapshot is None or health.age_seconds > STALE_AFTER_SECONDS:
            return
        yield from _streams(health)
        yield from _cumulative(snapshot)
        for figure in snapshot.figures.values():
            yield from _windowed(snapshot, figure, self._value_windows)


def _family(name: str, meaning: str, samples: Iterable[tuple[Mapping[str, str], float]], kind: str = "gauge") -> Metric:
    metric = Metric(name, meaning, kind)
    sample = f"{name}_total" if kind == "counter" else name
    metric.samples = [Sample(sample, dict(labels), value) for labels, value in samples]
    return metric


def _condition(health: Health) -> Iterator[Metric]:
    yield _family("xmon_up", "1 while the store of figures answers.", [({}, float(health.up))])
    complete = float(health.complete and health.state != "stale")
    yield _family("xmon_snapshot_complete", "1 while every partition is caught up.", [({}, complete)])
    if isfinite(health.age_seconds):
        yield _family("xmon_snapshot_age_seconds", "Age of the figures shown.", [({}, health.age_seconds)])


def _streams(health: Health) -> Iterator[Metric]:
    for field, label, meaning in _COUNTERS:
        counts: Mapping[str, int] = getattr(health, field)
        samples = [({label: key}, float(count)) for key, count in sorted(counts.items())]
        yield _family(f"xmon_{field.removesuffix('_total')}", meaning, samples, "counter")
    for field, name, meaning in _PARTITION:
        known = [(p.partition, getattr(p, field)) for p in health.partitions]
        yield _family(name, meaning, [(_partition(*p), float(v)) for p, v in known if v is not None])
    workers = [({"worker": w.worker, "version": w.version}, float(len(w.partitions))) for w in health.workers]
    yield _family("xmon_worker_partitions", "Partitions a live worker holds.", workers)


def _partition(topic: str, number: int) -> dict[str, str]:
    return {"topic": topic, "partition": str(number)}


def _alerting(status: AlertsStatus) -> Iterator[Metric]:
    firing = [({"severity": severity}, float(count)) for severity, count in sorted(status.firing.items())]
    yield _family("xmon_alerts_firing", "Alerts that fire now.", firing)
    changes = [({"rule": rule, "transition": what}, float(n)) for (rule, what), n in sorted(status.transitions.items())]
    yield _family("xmon_alert_transitions", "What became of alerts.", changes, "counter")
    if status.evaluated_at_ms is not None:
        seconds = status.evaluated_at_ms / 1000
        yield _family("xmon_alerts_evaluated_timestamp_seconds", "When rules were last evaluated.", [({}, seconds)])
    sent = [
        ({"target": target.name, "outcome": outcome}, float(getattr(target, outcome)))
        for target in status.targets
        for outcome in ("delivered", "failed", "dropped")
    ]
    yield _family("xmon_notifications", "Deliveries, attempts that failed, notifications given up.", sent, "counter")
    waiting = [({"target": target.name}, float(target.waiting)) for target in status.targets]
    yield _family("xmon_notifications_waiting", "Notifications not delivered yet.", waiting)


def _cumulative(snapshot: Snapshot) -> Iterator[Metric]:
    families: dict[str, Metric] = {}
    for total in snapshot.totals():
        if isinstance(total, HistogramTotal) and total.series.dimension != "all":
            continue
        name = f"xmon_{total.figure}"
        metric = families.get(name)
        if metric is None:
            kind = "counter" if isinstance(total, Total) else "histogram"
            metric = families[name] = Metric(name, _help(snapshot, total.figure), kind)
        metric.samples.extend(_total_samples(name, total))
    yield from families.values()


def _help(snapshot: Snapshot, figure: str) -> str:
    row = snapshot.figures.get(figure)
    return row.help if row else f"{figure.replace('_', ' ').capitalize()}."


def _total_samples(name: str, total: Total | HistogramTotal) -> Iterator[Sample]:
    labels = _labels(total.series)
    if isinstance(total, Total):
        yield Sample(f"{name}_total", labels | dict(total.labels), total.value)
        return
    for bound, count in total.buckets:
        yield Sample(f"{name}_bucket", {**labels, "le": "+Inf" if bound == inf else str(float(bound))}, count)
    yield Sample(f"{name}_sum", labels, total.sum)
    yield Sample(f"{name}_count", labels, total.buckets[-1][1])


def _labels(series: Series) -> dict[str, str]:
    return {
        "app": series.app,
        "environment": series.environment,
        "dimension": series.dimension,
        "value": series.value,
    }


def _windowed(snapshot: Snapshot, figure: Figure, value_windows: Collection[str]) -> Iterator[Metric]:
    families: dict[str, Metric] = {}
    live = figure.kind == "live"
    for window in WINDOWS[:1] if live else WINDOWS:
        for dimension in ("all", *figure.dimensions) if live or window in value_windows else ("all",):
            readings = snapshot.read(figure.name, window, dimension)
            _add_readings(families, figure, "" if live else window, readings)
    yield from families.values()


def _add_readings(families: dict[str, Metric], figure: Figure, window: str, readings: Iterable[Reading]) -> None:
    counted: set[tuple[object, ...]] = set()
    for reading in readings:
        suffix, total = _suffix(figure.kind, reading.statistic), reading.series.dimension == "all"
        if suffix is None or (suffix == "_quantile" and not total and reading.statistic not in _VALUE_QUANTILES):
            continue
        name = f"xmon_{figure.name}{suffix}"
        labels = _labels(reading.series) | dict(reading.labels)
        if window:
            labels["window"] = window
        sampled = figure.kind in _SAMPLED
        if sampled and (key := (reading.series, reading.labels)) not in counted:
            counted.add(key)
            _put(families, f"xmon_{figure.name}_n", f"Samples behind {figure.name}.", labels, reading.n)
        if suffix == "_quantile":
            labels = {**labels, "quantile": f"{float(reading.statistic[1:]) / 100:g}"}
        elif sampled and total and not isnan(reading.low):
            meaning = f"95 % interval of {figure.name}{suffix}."
            _put(families, f"{name}_interval", meaning, {**labels, "bound": "low"}, reading.low)
            _put(families, f"{name}_interval", meaning, {**labels, "bound": "high"}, reading.high)
        _put(families, name, figure.help, labels, reading.value)


def _suffix(kind: str, statistic: str) -> str | None:
    """What a statistic adds to the name; `None` for a count that `_total` already tells."""
    if statistic == "count":
        return "" if kind in {"uniques", "live"} else None
    if statistic == "value":
        return ""
    return "_quantile" if statistic[1].isdigit() else f"_{statistic}"  # p75


def _put(families: dict[str, Metric], name: str, meaning: str, labels: dict[str, str], value: float) -> None:
    metric = families.get(name)
    if metric is None:
        kind = "summary" if name.endswith("_quantile") else "gauge"
        metric = families[name] = Metric(name, meaning, kind)
    metric.samples.append(Sample(name, labels, value))
