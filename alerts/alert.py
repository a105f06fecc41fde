"""An alert: one rule on one series, what is known of it, and what was said of it."""

from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import NamedTuple

from alerts.rule import Rule
from alerts.state import State
from streams.reading.figures import Labels, Series


class Identity(NamedTuple):
    """What makes two alerts the same one."""

    rule: str
    series: Series
    labels: Labels


class Said(StrEnum):
    """The last thing people were told."""

    NOTHING = ""
    WARNING = "warning"
    CRITICAL = "critical"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class About:
    """What a person needs of the rule. It is kept with the alert, which may outlive its rule."""

    summary: str
    figure: str
    statistic: str
    unit: str
    window: str
    relation: str
    owner: str
    runbook: str


@dataclass(frozen=True, slots=True)
class Alert:
    """All of one alert."""

    rule: str
    series: Series
    labels: Labels
    about: About
    state: State
    said: Said = Said.NOTHING

    @property
    def identity(self) -> Identity:
        return Identity(self.rule, self.series, self.labels)

    @property
    def id(self) -> str:
        """16 hexadecimal digits, the same for the same rule, series and labels for ever."""
        series = self.series
        parts = (self.rule, series.app, series.environment, series.dimension, series.value, *sum(self.labels, ()))
        return sha256("\0".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Notification:
    """What is told at once: alerts of one rule that changed at one moment, as they were then."""

    id: str  # the same however often it is sent
    rule: str
    at_ms: int
    alerts: tuple[Alert, ...]


def about(rule: Rule) -> About:
    selection = rule.selection
    return About(
        summary=rule.summary,
        figure=selection.figure,
        statistic=selection.statistic,
        unit=rule.unit,
        window=selection.window,
        relation=rule.condition.relation,
        owner=rule.owner,
        runbook=rule.runbook,
    )
