"""A question about one figure, as a person or script asks it over HTTP: checked, answered, and refused with a hint."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from math import isfinite

from monitor.ports import WINDOWS, Snapshot
from streams.metrics.catalogue import Figure
from streams.reading.figures import Reading

KEPT_MS = 3_600_000
"""As far back as a span may reach: what is older may have gone already, and half an answer would look like a whole one."""


class Refused(Exception):  # noqa: N818  a refusal is the answer, not a fault of the program
    """A question that cannot be answered: HTTP status, bounded code, message and what to do instead."""

    def __init__(self, status: int, code: str, message: str, hint: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"error": code, "message": message, "hint": hint}


@dataclass(frozen=True, slots=True)
class Question:
    """One figure over a window or over a span of time, by one dimension, narrowed by equality."""

    figure: Figure
    by: str
    window: str
    span: tuple[int, int] | None
    keep: Callable[[Reading], bool]

    def readings(self, snapshot: Snapshot) -> Sequence[Reading]:
        """Returns what the snapshot has; a figure without samples is absent."""
        if self.span:
            found = snapshot.read_span(self.figure.name, *self.span, self.by)
        else:
            found = snapshot.read(self.figure.name, self.window, self.by)
        return [reading for reading in found if self.keep(reading)]


def ask(snapshot: Snapshot, given: dict[str, str]) -> Question:
    """Returns the question that parameters of a URL ask, or raises `Refused`."""
    _check_names(given)
    figure = find_figure(snapshot, given.get("figure", ""))
    by = choose("by", given.get("by", "all"), ("all", *figure.dimensions))
    statistic = given.get("statistic", "")
    if statistic:
        choose("statistic", statistic, figure.statistics)
    window, span = _when(snapshot, figure, given)
    wanted = {name: given[name] for name in ("app", "environment", "value") if name in given}

    def keep(reading: Reading) -> bool:
        same = all(getattr(reading.series, name) == value for name, value in wanted.items())
        return same and statistic in {"", reading.statistic}

    return Question(figure, by, window, span, keep)


def find_figure(snapshot: Snapshot, name: str) -> Figure:
    """Returns the catalogue row, or raises `Refused` with the nearest names."""
    name = name.removeprefix("xmon_")
    if not name:
        raise Refused(400, "missing_parameter", "Which figure?", "Add figure=<name>; /api/v1/catalogue lists all names.")
    if name not in snapshot.figures:
        hint = nearest(name, snapshot.figures) or "/api/v1/catalogue lists all names."
        raise Refused(404, "unknown_figure", f"There is no figure {name[:80]!r}.", hint)
    return snapshot.figures[name]


def choose(parameter: str, given: str, allowed: Sequence[str]) -> str:
    """Returns `given` when it is allowed, else raises `Refused` naming what is."""
    if given in allowed:
        return given
    hint = f"{nearest(given, allowed)} Allowed: {', '.join(allowed)}.".strip()
    raise Refused(400, f"unknown_{parameter}", f"{parameter}={given[:80]!r} is not possible here.", hint)


def nearest(name: str, known: Iterable[str]) -> str:
    """Returns a sentence with the known names most like `name`, or nothing."""
    close = get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(close)}?" if close else ""


def instant_ms(parameter: str, text: str) -> int:
    """Returns epoch milliseconds of an RFC 3339 instant with its offset, or of epoch milliseconds as they are."""
    try:
        if text.isascii() and text.lstrip("-").isdigit():
            datetime.fromtimestamp(int(text) / 1000, UTC)  # refuses what no calendar holds
            return int(text)
        return round(_aware(datetime.fromisoformat(text)).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        hint = f"RFC 3339 with an offset ({parameter}=2026-01-31T12:00:00Z; a + is written %2B) or epoch milliseconds."
        raise Refused(400, "bad_instant", f"{parameter}={text[:80]!r} is no instant.", hint) from None


def _aware(instant: datetime) -> datetime:
    if instant.tzinfo is None:
        raise ValueError(instant)
    return instant


def rfc3339(at_ms: int) -> str:
    """Returns the instant in UTC, to the millisecond."""
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def finite(value: float) -> float | None:
    """Returns the number, or None where JSON has none for it."""
    return value if isfinite(value) else None


_NAMES = ("figure", "window", "from", "to", "by", "app", "environment", "value", "statistic")


def _check_names(given: dict[str, str]) -> None:
    for name in given:
        if name not in _NAMES:
            hint = f"{nearest(name, _NAMES)} Known: {', '.join(_NAMES)}.".strip()
            raise Refused(400, "unknown_parameter", f"There is no parameter {name[:80]!r}.", hint)


def _when(snapshot: Snapshot, figure: Figure, given: dict[str, str]) -> tuple[str, tuple[int, int] | None]:
    if "from" not in given and "to" not in given:
        return choose("window", given.get("window", "5m"), WINDOWS), None
    if "window" in given:
        raise Refused(400, "window_and_span", "window and from/to exclude each other.", "Leave one of them out.")
    if "from" not in given or "to" not in given:
        raise Refused(400, "half_a_span", "A span needs both ends.", "Give from=… and to=…, or window=5m.")
    if figure.kind == "live":
        hint = "Leave from and to out. What it was is kept by Prometheus."
        raise Refused(400, "live_figure", f"{figure.name} is known of this moment only.", hint)
    start, end = instant_ms("from", given["from"]), instant_ms("to", given["to"])
    if start >= end:
        raise Refused(400, "bad_span", "from must lie before to.", "Exchange the two.")
    return "", _span(snapshot, start, end)


def _span(snapshot: Snapshot, start: int, end: int) -> tuple[int, int]:
    """Returns the stretch that is answered: it ends with the running pane at the latest. Raises `Refused` for other times."""
    latest = snapshot.align(snapshot.at_ms, snapshot.at_ms + 1)[1]
    if start >= latest:
        raise Refused(400, "in_the_future", "Nothing is known of that time yet.", f"Give a from before {rfc3339(latest)}.")
    span = snapshot.align(start, min(end, latest))
    if span[0] < snapshot.align(snapshot.at_ms - KEPT_MS, snapshot.at_ms)[0]:
        raise Refused(400, "too_long_ago", "Only the last hour is kept here.", "Longer history is kept by Prometheus.")
    return span
