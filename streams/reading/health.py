"""How the monitor itself is doing: what a reader of figures must know before it believes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Literal

from streams.state.keys import PartitionId

STALE_AFTER_SECONDS = 15.0
"""Older figures than this are history: they leave /metrics and the API, and the page says so."""

COUNTERS = (  # field of Health, its label, meaning; rules name them without `_total`
    ("dead_letters_total", "reason", "Records refused and sent to the dead-letter topic."),
    ("records_total", "topic", "Records read from the log, refused, late and repeated ones among them."),
    ("late_events_total", "topic", "Events that came after their pane had closed, counted nowhere else."),
    ("duplicate_events_total", "topic", "Events whose id had been counted before."),
    ("clock_corrections_total", "topic", "Events whose timestamp lay after their arrival and was set back to it."),
    ("unknown_fields_total", "topic", "Fields of events that no figure knows."),
    ("dropped_values_total", "topic", "Events with a value that found no place and is in __other__."),
    ("offsets_lost_total", "topic", "Records the log had deleted before they were read."),
)

State = Literal["starting", "stale", "incomplete", "fresh"]


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """One live worker as it announced itself."""

    worker: str
    version: str = ""
    partitions: tuple[PartitionId, ...] = ()


@dataclass(frozen=True, slots=True)
class PartitionHealth:
    """One partition; `None` is what nobody has told yet."""

    partition: PartitionId
    next_offset: int
    lag: int | None = None
    checkpoint_seconds: float | None = None
    checkpoint_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """The reader's view of store, workers and streams. Counters are exact and never go backwards."""

    up: bool = False
    """The store answered the last read."""
    age_seconds: float = inf
    """Since the store was last read in full; infinite before the first time."""
    complete: bool = False
    problems: tuple[str, ...] = ()
    workers: tuple[WorkerHealth, ...] = ()
    partitions: tuple[PartitionHealth, ...] = ()
    dead_letters_total: Mapping[str, int] = field(default_factory=dict)
    """By reason, over all topics; those below are by topic."""
    records_total: Mapping[str, int] = field(default_factory=dict)
    late_events_total: Mapping[str, int] = field(default_factory=dict)
    duplicate_events_total: Mapping[str, int] = field(default_factory=dict)
    clock_corrections_total: Mapping[str, int] = field(default_factory=dict)
    unknown_fields_total: Mapping[str, int] = field(default_factory=dict)
    dropped_values_total: Mapping[str, int] = field(default_factory=dict)
    offsets_lost_total: Mapping[str, int] = field(default_factory=dict)

    @property
    def state(self) -> State:
        """What to tell a person in one word; `problems` say why."""
        if self.age_seconds == inf:
            return "starting"
        if self.age_seconds > STALE_AFTER_SECONDS:
            return "stale"
        return "fresh" if self.up and self.complete else "incomplete"
