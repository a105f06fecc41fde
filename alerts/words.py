"""Numbers, intervals and durations for people, by unit of the figure; and names that came from anywhere."""

from datetime import UTC, datetime
from math import floor, isfinite, log10

_MINUTE = 60
_UNITS = ((86_400, "d"), (3600, "h"), (_MINUTE, "min"), (1, "s"))
_GROUPED = 100  # from here on decimals say nothing


def value(number: float | None, unit: str) -> str:
    """97.2 %, 450 ms, 3.2 s, 4 min 10 s, 12 034."""
    if number is None or not isfinite(number):
        return "?"
    if unit == "ratio":
        return f"{_percent(number)} %"
    if unit == "seconds":
        return _seconds(number)
    return _grouped(number) if abs(number) >= _GROUPED or number == round(number) else f"{number:.3g}"


def interval(low: float, high: float, unit: str) -> str:
    """96.9–97.5 %: the unit once, where both have the same."""
    first, last = value(low, unit), value(high, unit)
    suffix = last.rpartition(" ")[2]
    if not suffix[:1].isdigit() and first.count(" ") == last.count(" ") == 1 and first.endswith(f" {suffix}"):
        first = first.removesuffix(f" {suffix}")
    return f"{first}–{last}"


def count(number: int) -> str:
    """12 034."""
    return _grouped(number)


def printable(text: str) -> str:
    r"""What could move a terminal's cursor, begin a line, or turn the direction of writing is written out, as \n is."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def duration(milliseconds: int) -> str:
    """The two greatest parts: 14 min 5 s, 2 min, 1 h 30 min."""
    left, parts = max(milliseconds, 0) // 1000, []
    for seconds, name in _UNITS:
        amount, left = divmod(left, seconds)
        if amount:
            parts.append(f"{amount} {name}")
    return " ".join(parts[:2]) or "0 s"


def instant(at_ms: int) -> str:
    """2025-11-22 08:00:00 UTC."""
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _percent(share: float) -> str:
    """With decimals enough to tell 99.95 from 100, and 0.03 from 0."""
    percent = share * 100
    distance = min(abs(percent), abs(100 - percent))
    decimals = 1 if distance >= 1 or distance == 0 else min(2 + floor(-log10(distance)), 6)
    return f"{percent:.{decimals}f}".rstrip("0").rstrip(".")


def _seconds(seconds: float) -> str:
    if abs(seconds) < 1:
        return f"{seconds * 1000:.0f} ms"
    return f"{seconds:.3g} s" if abs(seconds) < _MINUTE else duration(round(seconds) * 1000)


def _grouped(number: float) -> str:
    return f"{number:,.0f}".replace(",", " ")
