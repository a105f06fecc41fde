"""The fields of a rule in a rule file, but for its condition."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from alerts.conditions.condition import Condition
from alerts.conditions.stalled import PIPELINE
from alerts.growth import Own
from alerts.rule import Rule
from alerts.rule_problems import Problem, nearest
from alerts.selection import Figure, Selection

_SECONDS = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>\d{{1,6}}){unit})?" for unit in _SECONDS), re.ASCII)
_COUNTS = ("count", "per_second")  # statistics that are not in the unit of the figure
_FEWEST_SAMPLES = 30
_FEWEST_LIVE = 1  # a live figure is the state itself and no sample of it
_COUNTED = ("counter", "uniques")


def _milliseconds(value: Any) -> int:
    match = _DURATION.fullmatch(value) if isinstance(value, str) and value else None
    if not match:
        raise ValueError(f"{value!r} is no duration: write it like 0s, 30s, 2m or 1h30m")
    return 1000 * sum(int(count) * _SECONDS[unit] for unit, count in match.groupdict("0").items())


def _address(text: str) -> str:
    try:
        urlsplit(text)
    except ValueError as error:
        raise ValueError(f"`runbook` is no address: {error}") from None
    return text


Address = Annotated[str, AfterValidator(_address)]
Duration = Annotated[int, BeforeValidator(_milliseconds)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,99}$")]
Line = Annotated[str, Field(min_length=1, max_length=200)]


class Where(BaseModel):
    """Only this app, only this environment; without it all."""

    model_config = ConfigDict(extra="forbid", strict=True)

    app: str | None = None
    environment: str | None = None


class Spec(BaseModel):
    """One rule as written."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Name
    summary: Line
    figure: str
    statistic: str | None = None
    labels: dict[str, str] = {}
    window: Literal["1m", "5m", "15m", "1h"] = "5m"
    by: str = "all"
    where: Where = Where()
    wait_ms: Duration = Field(0, alias="for")
    keep_firing_for: Duration = 0
    min_n: int | None = Field(None, ge=1, le=1_000_000_000)
    owner: str = ""
    runbook: Address = ""
    enabled: bool = True

    @classmethod
    def fields(cls) -> list[str]:
        """The names as a rule file gives them."""
        return [field.alias or name for name, field in cls.model_fields.items()]

    def rule(self, condition: Condition, figure: Figure) -> Rule:
        """The rule that is meant, once nothing is wrong with it."""
        fewest = _FEWEST_LIVE if figure.kind == "live" else _FEWEST_SAMPLES
        selection = Selection(
            figure=figure.name,
            statistic=self.statistic or figure.statistics[0],
            labels=tuple(sorted(self.labels.items())),
            window=self.window,
            by=self.by,
            app=self.where.app,
            environment=self.where.environment,
            min_n=self.min_n or fewest,
            counted=figure.kind in _COUNTED,
        )
        return Rule(
            name=self.name,
            summary=self.summary,
            selection=selection,
            condition=condition,
            unit="" if selection.statistic in _COUNTS else figure.unit,
            for_ms=self.wait_ms,
            keep_firing_ms=self.keep_firing_for,
            owner=self.owner,
            runbook=self.runbook,
            enabled=self.enabled,
        )


def against_catalogue(fields: Mapping[Any, Any], figures: Mapping[str, Figure]) -> Iterator[Problem]:
    """What a rule names that does not exist, or leaves open. The fields are raw: those of a wrong type are somebody else's
    problem."""
    name = fields.get("figure")
    if not isinstance(name, str):
        return
    if not (figure := figures.get(name)):
        yield Problem(("figure",), f"unknown figure `{name}`: {nearest(name, figures)}")
        return
    yield from _unknown(figure, ("statistic",), "statistic", fields.get("statistic"), figure.statistics)
    yield from _unknown(figure, ("by",), "dimension", fields.get("by"), [*figure.dimensions, "all"])
    yield from _unscoped(figure, fields.get("where"))
    yield from _labels(figure, fields.get("labels"))


def _labels(figure: Figure, labels: object) -> Iterator[Problem]:
    known = figure.labels
    if isinstance(known, Mapping) and known and not labels and figure.kind != "counter":
        # Several answers to one question would be several alerts of one cause. What a counter is split into are matters apart.
        example = ", ".join(f"{label}: {values[0]}" for label, values in known.items())
        yield Problem(("figure",), f"`{figure.name}` is several figures: choose, as with `labels: {{{example}}}`")
    for label, value in labels.items() if isinstance(labels, dict) else ():
        yield from _unknown(figure, ("labels", str(label)), "label", label, known)
        if isinstance(known, Mapping) and label in known:
            yield from _unknown(figure, ("labels", label), label, value, known[label])


def _unscoped(figure: Figure, where: object) -> Iterator[Problem]:
    """The monitor's own counters are of no app: narrowed to one, nothing would be left of them."""
    if not isinstance(figure, Own) or not isinstance(where, dict):
        return
    for field, known in (("app", PIPELINE.app), ("environment", PIPELINE.environment)):
        given = where.get(field)
        if isinstance(given, str) and given != known:
            yield Problem(
                ("where", field),
                f"`{figure.name}` is of no {field}: remove this; what it counts is told apart `by: {figure.dimensions[0]}`",
            )


def _unknown(figure: Figure, path: tuple[str, ...], what: str, name: object, known: Collection[str]) -> Iterator[Problem]:
    if isinstance(name, str) and name not in known:
        yield Problem(path, f"`{figure.name}` has no {what} `{name}`: {nearest(name, known)}")
