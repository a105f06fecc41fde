"""The Prometheus exposition, rendered from the snapshot: a scrape never touches the store.

Here stands what is told of the monitor itself, and the library that writes it all; `samples.py` tells the figures.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import isfinite

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from prometheus_client.utils import floatToGoString

from alerts.overview import AlertsStatus
from monitor.lines import Family, Lines
from monitor.ports import Alerts, NoAlerts, Source
from monitor.samples import cumulative, windowed
from streams.reading.figures import Series
from streams.reading.health import COUNTERS, STALE_AFTER_SECONDS, Health

_PARTITION = (  # field of PartitionHealth, metric, meaning
    ("lag", "xmon_lag_records", "Records of a partition that wait to be applied."),
    ("next_offset", "xmon_next_offset", "Offset of the next record to apply."),
    ("checkpoint_seconds", "xmon_checkpoint_seconds", "How long the last checkpoint took."),
    ("checkpoint_bytes", "xmon_checkpoint_bytes", "Size of the last checkpoint."),
)
VALUE_WINDOWS = ("5m",)
_MOST_FORMATS = 4  # whose lines are remembered: who scrapes asks for one, again and again; who asks for any forgets all


class Exposition:
    """Renders what a source and, where there is one, an alert engine have to tell."""

    def __init__(self, source: Source, alerts: Alerts | None = None, value_windows: Collection[str] = VALUE_WINDOWS) -> None:
        self._source = source
        self._value_windows = value_windows
        self._alerts = alerts or NoAlerts()
        self._formats: dict[str, Lines] = {}

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Returns body and content type, in OpenMetrics where `accept` asks for it; an odd `accept` gets plain text."""
        try:
            encode, content_type = choose_encoder(accept)
        except (ValueError, TypeError):  # a version that is none
            encode, content_type = choose_encoder("")
        return self._lines(encode, content_type).text(self.collect()).encode(), content_type

    def _lines(self, encode: Callable[[Collector], bytes], content_type: str) -> Lines:
        lines = self._formats.get(content_type)
        if lines is None:
            if len(self._formats) >= _MOST_FORMATS:
                self._formats.clear()
            lines = self._formats[content_type] = Lines(partial(_write, encode), floatToGoString)
        return lines

    def collect(self) -> Iterator[Family]:
        """Everything while the data is fresh; only that it is not, once it has gone stale."""
        snapshot, health = self._source.snapshot, self._source.health
        yield from _condition(health)
        yield from _alerting(self._alerts.status())
        if snapshot is None or health.age_seconds > STALE_AFTER_SECONDS:
            return
        yield from _streams(health)
        yield from cumulative(snapshot)
        for figure in snapshot.figures.values():
            yield from windowed(snapshot, figure, self._value_windows)


@dataclass(frozen=True)
class _Collected(Collector):
    metrics: Sequence[Metric]

    def collect(self) -> Sequence[Metric]:
        return self.metrics


def _write(encode: Callable[[Collector], bytes], families: Sequence[Family]) -> str:
    return encode(_Collected([_metric(family) for family in families])).decode()


def _metric(family: Family) -> Metric:
    metric = Metric(family.name, family.help, family.kind)
    metric.samples = [
        Sample(name, _series_labels(series) | dict(labels), value) for (name, series, labels), value in family.samples
    ]
    return metric


def _series_labels(series: Series | None) -> dict[str, str]:
    if series is None:
        return {}
    labels = {"app": series.app, "environment": series.environment, "dimension": series.dimension, "value": series.value}
    return {name: text.replace("\0", "\\0") for name, text in labels.items()}  # one NUL, and Prometheus takes no line of all


def _family(name: str, meaning: str, samples: Iterable[tuple[Mapping[str, str], float]], kind: str = "gauge") -> Family:
    sample = f"{name}_total" if kind == "counter" else name
    return Family(name, meaning, kind, [((sample, None, tuple(labels.items())), value) for labels, value in samples])


def _condition(health: Health) -> Iterator[Family]:
    yield _family("xmon_up", "1 while the store of figures answers.", [({}, float(health.up))])
    complete = float(health.complete and health.state != "stale")
    yield _family("xmon_snapshot_complete", "1 while every partition is caught up.", [({}, complete)])
    if isfinite(health.age_seconds):
        yield _family("xmon_snapshot_age_seconds", "Age of the figures shown.", [({}, health.age_seconds)])


def _streams(health: Health) -> Iterator[Family]:
    for field, label, meaning in COUNTERS:
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


def _alerting(status: AlertsStatus) -> Iterator[Family]:
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
