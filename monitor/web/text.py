"""Names and numbers as people read them on a card: number and unit apart, since they are set in different sizes."""

from math import floor, isfinite, log10

_ACRONYMS = {"lcp": "LCP", "inp": "INP", "cls": "CLS", "fcp": "FCP", "ttfb": "TTFB", "nps": "NPS", "anr": "ANR", "ces": "CES"}
_ACRONYMS |= {"csat": "CSAT", "apdex": "Apdex"}
_ENDINGS = ("_ratio", "_seconds")
_MINUTE, _HOUR = 60, 3600
_THIN = "\u202f"  # narrow no-break space, between groups of digits and before a unit


def title(name: str) -> str:
    """Returns a figure's name as a heading: `page_load_failure_ratio` is `Page load failure`."""
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    words = [_ACRONYMS.get(word, word) for word in name.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def amount(value: float, unit: str, statistic: str = "value", name: str = "") -> tuple[str, str]:
    """Returns number and unit, each ready to be shown: `("99.12", "%")`, `("420", "ms")`, `("74", "per min")`."""
    if statistic == "per_second":
        return number(value * _MINUTE), "per min"
    if name.endswith("_per_view"):
        return number(value * 100), "per 100 views"
    if unit == "ratio" and not name.endswith("apdex"):  # by its definition a number from 0 to 1
        return _percent(value), "%"
    if unit == "seconds":
        return _seconds(value)
    return number(value), "" if unit in {"", "ratio"} else unit


def number(value: float) -> str:
    """Returns three significant digits, whole numbers grouped in full: 12 345, 1.84, 0.012."""
    if not isfinite(value):
        return "–"
    if value == int(value) or abs(value) >= 1000:  # noqa: PLR2004
        return f"{value:,.0f}".replace(",", _THIN)
    decimals = min(4, max(0, 2 - floor(log10(abs(value)))))
    return f"{value:.{decimals}f}"


def interval(low: float, high: float, unit: str, statistic: str = "value", name: str = "") -> str:
    """Returns `95 % 0.31–0.55`, or nothing where the ends are nan."""
    if not low <= high:
        return ""
    (start, start_unit), (end, end_unit) = (amount(x, unit, statistic, name) for x in (low, high))
    return f"{start}–{end}" if start_unit == end_unit else f"{start} {start_unit} – {end} {end_unit}"


def samples(n: int) -> str:
    """Returns a count short enough for small type: 940, 12.4 k, 3.10 M."""
    for size, letter in ((1_000_000, "M"), (10_000, "k")):
        if n >= size:
            return f"{n / min(size, 1_000_000 if letter == 'M' else 1000):.3g}{_THIN}{letter}"
    return number(n)


def _percent(value: float) -> str:
    percent = value * 100
    if percent in {0, 100}:
        return f"{percent:.0f}"
    if percent < 1 or percent > 99:  # noqa: PLR2004  near both ends the second decimal matters
        return f"{percent:.2f}"
    return f"{percent:.1f}"


def _seconds(value: float) -> tuple[str, str]:
    if abs(value) < 1:
        return f"{value * 1000:.0f}", "ms"
    if abs(value) < _MINUTE:
        return f"{value:.1f}" if value >= 10 else f"{value:.2f}", "s"  # noqa: PLR2004
    if abs(value) < _HOUR:
        minutes, seconds = divmod(round(value), _MINUTE)
        return f"{minutes}:{seconds:02d}", "min"
    return f"{value / _HOUR:.1f}", "h"
