"""What was measured, for people and for scripts, and what is to be said of it."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

BEHIND_SECONDS = 0.5  # more than a busy machine's hiccup
KAFKA = "Hint: are all brokers up, and has each partition a leader?"
UNTIL_MORE = "Hint: a lower --rate, or more partitions and more `xmon worker`."
ELSEWHERE = (
    "Hint: has the `serve` that is asked the same XMON_KAFKA_BOOTSTRAP_SERVERS and XMON_TOPIC_PREFIX, and its worker too? "
    "It tells apart as many runs a day as XMON_SHOWN_VALUES says."
)
LOOK = "Hint: xmon dlq list; in /metrics: xmon_late_events_total, xmon_dropped_values_total, xmon_offsets_lost_total."
TWICE = "Hint: docs/exactness.md. Keep the topic and what is in Redis as they are, they show how it came about."
SLOW = "Hint: a lower --rate, or several `xmon bench` at once; each counts its own."


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One run. Events, events a second, seconds; latency from when an event was due to be sent until its count was seen."""

    run: str
    asked_rate: int
    rate: float  # at which they were sent
    counted_rate: float | None  # while there was more to count
    sent: int
    acknowledged: int
    counted: int
    lag: int  # records, at most
    incomplete: str | None  # why the figures are behind, at the end
    behind_seconds: float  # of the sender, at worst
    latency: dict[str, float | None]
    worker_cpu: float | None  # share of a core

    @property
    def lost(self) -> int:
        """Acknowledged by Kafka and not counted."""
        return max(self.acknowledged - self.counted, 0)

    @property
    def twice(self) -> int:
        """Counted beyond what was sent."""
        return max(self.counted - self.sent, 0)

    def problem(self) -> str | None:
        """Why the count is not right, and what to do; None where it is."""
        if not self.sent:
            return f"nothing could be sent to Kafka in time. {KAFKA}"
        if self.acknowledged < self.sent:
            return f"{self.sent - self.acknowledged:,} of {self.sent:,} events were not acknowledged by Kafka in time. {KAFKA}"
        if self.twice:
            return f"{self.twice:,} events were counted twice. {TWICE}"
        if self.lost and self.incomplete:
            return f"{self.lost:,} events are not counted yet ({self.incomplete}). {UNTIL_MORE}"
        if self.lost and not self.counted:
            return f"nothing was counted. {ELSEWHERE}"
        return f"{self.lost:,} events are not counted. {LOOK}" if self.lost else None

    def remark(self) -> str | None:
        """Where it was not the installation that was too slow."""
        if self.behind_seconds < BEHIND_SECONDS:
            return None
        return f"this process was up to {self.behind_seconds:.1f} s behind its schedule, which is in the latency. {SLOW}"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "lost": self.lost, "twice": self.twice}

    def lines(self) -> Iterator[tuple[str, str]]:
        """Name and value."""
        yield "run", self.run
        yield "sent at", f"{self.rate:,.0f} events/s of {self.asked_rate:,}"
        yield "counted at", "unknown" if self.counted_rate is None else f"{self.counted_rate:,.0f} events/s"
        yield from ((name, f"{getattr(self, name):,}") for name in ("sent", "acknowledged", "counted", "lost", "twice"))
        yield "lag", f"{self.lag:,} records at most"
        known = [f"{name} {seconds:.2f} s" for name, seconds in self.latency.items() if seconds is not None]
        yield "latency", "   ".join(known) or "unknown"
        if self.worker_cpu is not None:
            yield "worker", f"{self.worker_cpu:.0%} of a core (the process at XMON_WORKER_HOST and XMON_WORKER_PORT)"
