"""One figure by one dimension, worst first: what the detail page shows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, Protocol
from urllib.parse import urlencode

from alerts.overview import AlertView
from monitor.ports import WINDOWS, Snapshot
from monitor.query import choose
from monitor.web import text
from monitor.web.cards import card, describe, headlines
from monitor.web.draw import share
from monitor.web.history import History
from streams.metrics.catalogue import Figure
from streams.reading.figures import Reading


@dataclass(frozen=True, slots=True)
class Line:
    """One value of the dimension; bar, low and high are places on a scale of 0–100 shared by all lines."""

    value: str
    variant: str
    number: str
    unit: str
    interval: str
    n: str
    bar: float
    low: float | None
    high: float | None


def lines(figure: Figure, readings: Iterable[Reading], statistic: str, variant: str, most: int = 200) -> tuple[Line, ...]:
    """Returns the readings of one statistic and variant, worst first, on one scale."""
    mine = [r for r in readings if r.statistic == statistic and describe("value", r.labels) == variant]
    mine.sort(key=lambda reading: badness(figure, reading), reverse=True)
    full = max((_end(r) for r in mine), default=0.0)
    return tuple(_line(figure, reading, full) for reading in mine[:most])


def badness(figure: Figure, reading: Reading) -> float:
    """Returns how bad a value surely is: judged by the end of its interval that favours it, so 1 of 1 does not lead."""
    if figure.better == "higher":
        return -(reading.value if isnan(reading.high) else reading.high)
    return reading.value if isnan(reading.low) else reading.low


def variants(readings: Iterable[Reading]) -> tuple[str, ...]:
    """Returns the combinations of extra labels that occur, as words."""
    return tuple(dict.fromkeys(describe("value", reading.labels) for reading in readings))


class Choice(Protocol):
    """What the reader of a detail page has chosen; empty where nothing."""

    @property
    def window(self) -> str: ...
    @property
    def app(self) -> str: ...
    @property
    def environment(self) -> str: ...
    @property
    def by(self) -> str: ...
    @property
    def statistic(self) -> str: ...
    @property
    def variant(self) -> str: ...


def detail(snapshot: Snapshot, figure: Figure, choice: Choice, alerts: Sequence[AlertView], history: History) -> dict[str, Any]:
    """Returns the values of the detail page's template; raises `Refused` for a choice that is not there."""
    scopes = sorted(snapshot.scopes())
    scope = next((s for s in scopes if choice.app in {"", s[0]} and choice.environment in {"", s[1]}), None)
    by = choose("by", choice.by or next(iter(figure.dimensions), "all"), ("all", *figure.dimensions))
    total = _of_scope(snapshot.read(figure.name, choice.window), scope)
    head = next(iter(headlines(figure, total).values()), None)
    statistic = choose("statistic", choice.statistic or figure.statistics[0], figure.statistics)
    found = _of_scope(snapshot.read(figure.name, choice.window, by), scope)
    kinds = variants(found)
    usual = describe("value", head.labels) if head else ""
    variant = next((v for v in (choice.variant, usual, *kinds) if v in kinds), "")
    chosen = {"window": choice.window, "by": by, "statistic": statistic, "variant": variant}
    chosen |= {"app": scope[0], "environment": scope[1]} if scope else {}
    return {
        "figure": figure,
        "title": text.title(figure.name),
        "scope": scope,
        "card": card(figure, total, choice.window, alerts, history) if total else None,
        "spread": _spread(figure, head, history) if head else "",
        "lines": lines(figure, found, statistic, variant),
        "by": by,
        "switches": _switches(figure, chosen, scopes, kinds),
        "json": "/api/v1/figures?" + urlencode({"figure": figure.name, "window": choice.window, "by": by}),
    }


def _spread(figure: Figure, head: Reading, history: History) -> str:
    values = [v for _, v in history.points(head.series.app, head.series.environment, figure.name, head.labels)]
    return text.interval(min(values), max(values), figure.unit, head.statistic, figure.name) if values else ""


def _switches(
    figure: Figure, chosen: Mapping[str, str], scopes: Sequence[tuple[str, str]], kinds: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows of links: what can be chosen, and what is."""
    offered = [
        ("window", "Window", WINDOWS),
        ("by", "By", ("all", *figure.dimensions)),
        ("statistic", "Statistic", figure.statistics),
        ("variant", "Variant", kinds),
    ]
    rows = [
        {"label": label, "links": [_link(figure, value, {**chosen, name: value}, chosen) for value in values]}
        for name, label, values in offered
        if len(values) > 1
    ]
    if len(scopes) > 1:
        apps = [_link(figure, f"{a} · {e}", {**chosen, "app": a, "environment": e}, chosen) for a, e in scopes]
        rows.insert(0, {"label": "App", "links": apps})
    return rows


def _link(figure: Figure, label: str, target: Mapping[str, str], chosen: Mapping[str, str]) -> dict[str, Any]:
    return {"text": label, "href": f"/figure/{figure.name}?{urlencode(target)}", "here": target == chosen}


def _of_scope(readings: Iterable[Reading], scope: tuple[str, str] | None) -> Sequence[Reading]:
    return [r for r in readings if (r.series.app, r.series.environment) == scope]


def _end(reading: Reading) -> float:
    return reading.value if isnan(reading.high) else reading.high


def _line(figure: Figure, reading: Reading, full: float) -> Line:
    shown, unit = text.amount(reading.value, figure.unit, reading.statistic, figure.name)
    known = not isnan(reading.low) and not isnan(reading.high)
    return Line(
        value=reading.series.value,
        variant=describe(reading.statistic, reading.labels),
        number=shown,
        unit=unit,
        interval=text.interval(reading.low, reading.high, figure.unit, reading.statistic, figure.name),
        n=text.samples(reading.n),
        bar=share(reading.value, full),
        low=share(reading.low, full) if known else None,
        high=share(reading.high, full) if known else None,
    )
