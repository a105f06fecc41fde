"""What the page shows of a snapshot: apps, their questions, and a card for every figure that answers one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from urllib.parse import urlencode

from alerts.overview import AlertView
from monitor.ports import Snapshot
from monitor.web import text
from monitor.web.alerting import is_firing
from monitor.web.draw import sparkline
from monitor.web.history import SPAN_MS, History
from monitor.web.questions import at_rank, rank
from streams.metrics.catalogue import Figure
from streams.reading.figures import Labels, Reading, Series

_USUAL = frozenset({"f4", "gross", "provisional", "raw"})
"""Label values that the experience model makes the default of their figure."""
_RATINGS = ("good", "needs_improvement", "poor")
_MOST_ROWS = 6
MOST_SCOPES = 50
"""Apps, each environment counts: a page of more is too much to read, and to write each second."""


@dataclass(frozen=True, slots=True)
class Share:
    """How the values of one thing are rated, in percent that add up to 100."""

    name: str
    good: float
    middling: float
    poor: float


@dataclass(frozen=True, slots=True)
class Card:
    """One figure of one app in one environment, ready to be shown."""

    id: str
    name: str
    title: str
    help: str
    better: str
    href: str
    number: str = ""
    unit: str = ""
    statistic: str = ""
    interval: str = ""
    n: str = ""
    path: str = ""
    rows: tuple[tuple[str, str], ...] = ()
    shares: tuple[Share, ...] = ()
    severity: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """A question, the figures that answer it, and the plain counts behind them."""

    question: str
    cards: tuple[Card, ...]
    counts: tuple[Card, ...]


@dataclass(frozen=True, slots=True)
class Scope:
    """An app in an environment."""

    app: str
    environment: str
    groups: tuple[Group, ...]


def headlines(figure: Figure, readings: Iterable[Reading]) -> dict[Series, Reading]:
    """Returns for each series the one reading that speaks for the figure: its first statistic, its usual variant."""
    found: dict[Series, list[Reading]] = {}
    for reading in readings:
        if reading.statistic == figure.statistics[0]:
            found.setdefault(reading.series, []).append(reading)
    return {series: _headline(figure, variants) for series, variants in found.items()}


def _headline(figure: Figure, variants: list[Reading]) -> Reading:
    plain = next((r for r in variants if not r.labels), None)
    if plain or len(variants) == 1:
        return plain or variants[0]
    if figure.kind == "counter":  # kinds of a counter add up; variants of anything else do not
        first = variants[0]
        return Reading(first.series, first.statistic, sum(r.value for r in variants), sum(r.n for r in variants))
    return next((r for r in variants if any(value in _USUAL for _, value in r.labels)), variants[0])


def scopes(snapshot: Snapshot, window: str, alerts: Sequence[AlertView], history: History) -> tuple[Scope, ...]:
    """Returns the first apps with their cards, in the order in which people ask."""
    shown = sorted(snapshot.scopes())[:MOST_SCOPES]
    cards: dict[tuple[str, str], list[tuple[int, bool, Card]]] = {scope: [] for scope in shown}
    for figure in snapshot.figures.values():
        found: dict[tuple[str, str], list[Reading]] = {}
        for reading in snapshot.read(figure.name, window):
            found.setdefault((reading.series.app, reading.series.environment), []).append(reading)
        for scope in found.keys() & cards.keys():
            made = card(figure, found[scope], window, alerts, history)
            cards[scope].append((rank(figure.questions), figure.kind == "counter", made))
    return tuple(Scope(*scope, _groups(cards[scope])) for scope in shown)


def _groups(cards: list[tuple[int, bool, Card]]) -> tuple[Group, ...]:
    """Groups (place of the question, whether a plain count, card) by question."""
    groups = []
    for place in sorted({place for place, _, _ in cards}):
        mine = [(counted, card) for at, counted, card in cards if at == place]
        plain = tuple(card for counted, card in mine if counted)
        groups.append(Group(at_rank(place), tuple(card for counted, card in mine if not counted), plain))
    return tuple(groups)


def card(figure: Figure, readings: Sequence[Reading], window: str, alerts: Sequence[AlertView], history: History) -> Card:
    """Returns the card of one figure from the readings of one app; they must not be empty."""
    series = readings[0].series
    scope = {"app": series.app, "environment": series.environment, "window": window}
    ids = f"{series.app}\0{series.environment}\0{figure.name}"
    base = Card(
        id="c-" + blake2s(ids.encode(), digest_size=6).hexdigest(),
        name=figure.name,
        title=text.title(figure.name),
        help=figure.help,
        better=figure.better,
        href=f"/figure/{figure.name}?{urlencode(scope)}",
        severity=_severity(figure.name, series, alerts),
    )
    if "rating" in figure.labels:
        return _with(base, shares=_shares(readings))
    head = headlines(figure, readings).get(series)
    return _headed(base, figure, head, readings, history) if head else base


def _headed(base: Card, figure: Figure, head: Reading, readings: Sequence[Reading], history: History) -> Card:
    shown, unit = text.amount(head.value, figure.unit, head.statistic, figure.name)
    points = history.points(head.series.app, head.series.environment, figure.name, head.labels)
    sampled = figure.kind not in {"live", "uniques", "counter"}
    return _with(
        base,
        number=shown,
        unit=unit,
        statistic=describe(head.statistic, head.labels),
        interval=text.interval(head.low, head.high, figure.unit, head.statistic, figure.name),
        n=text.samples(head.n) if sampled else "",
        path=sparkline(points, SPAN_MS),
        rows=_rows(figure, head, readings),
    )


def _with(base: Card, **values: object) -> Card:
    return Card(**{**{name: getattr(base, name) for name in Card.__slots__}, **values})


def describe(statistic: str, labels: Labels) -> str:
    """Returns what distinguishes a reading from the others of its figure: `p75`, `f4`; a plain value needs no word."""
    words = [value.replace("_", " ") for _, value in labels]
    if statistic not in {"value", "per_second", "count"}:
        words.insert(0, statistic)
    return " · ".join(words)


def _rows(figure: Figure, head: Reading, readings: Sequence[Reading]) -> tuple[tuple[str, str], ...]:
    """The other statistics of the same variant, then the other variants of the same statistic."""
    others = [r for r in readings if r.statistic != head.statistic and r.labels == head.labels and r.statistic != "count"]
    others += [r for r in readings if r.statistic == head.statistic and r.labels != head.labels]
    unit = text.amount(head.value, figure.unit, head.statistic, figure.name)[1]
    return tuple((describe(r.statistic, r.labels), _plain(figure, r, unit)) for r in others[:_MOST_ROWS])


def _plain(figure: Figure, reading: Reading, known_unit: str) -> str:
    """The value; a long unit is not repeated from the headline."""
    shown, unit = text.amount(reading.value, figure.unit, reading.statistic, figure.name)
    return shown if unit == known_unit and unit.startswith("per ") else f"{shown}\u202f{unit}".strip()


def _shares(readings: Sequence[Reading]) -> tuple[Share, ...]:
    found: dict[str, dict[str, float]] = {}
    for reading in readings:
        labels = dict(reading.labels)
        rating = labels.pop("rating", "")
        found.setdefault(" ".join(text.title(value) for value in labels.values()), {})[rating] = reading.value
    return tuple(Share(name, *(round(100 * rated.get(rating, 0.0), 1) for rating in _RATINGS)) for name, rated in found.items())


def _severity(figure: str, series: Series, alerts: Sequence[AlertView]) -> str:
    place = (figure, series.app, series.environment)
    found = {a.severity for a in alerts if is_firing(a) and (a.figure, a.series.app, a.series.environment) == place}
    return next((severity for severity in ("critical", "warning") if severity in found), "")
