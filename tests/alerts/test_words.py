"""Numbers and durations as people read them."""

from math import inf, nan

import pytest

from alerts import words


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (0.972, "ratio", "97.2 %"),
        (0.99, "ratio", "99 %"),
        (0.9995, "ratio", "99.95 %"),
        (0.99995, "ratio", "99.995 %"),
        (0.0003, "ratio", "0.03 %"),
        (0.0, "ratio", "0 %"),
        (1.0, "ratio", "100 %"),
        (1.5, "ratio", "150 %"),
        (0.28, "ratio", "28 %"),
        (0.45, "seconds", "450 ms"),
        (0.0, "seconds", "0 ms"),
        (3.24, "seconds", "3.24 s"),
        (59.9, "seconds", "59.9 s"),
        (250.2, "seconds", "4 min 10 s"),
        (3900, "seconds", "1 h 5 min"),
        (0.12345, "", "0.123"),
        (42.0, "", "42"),
        (12_034.4, "", "12 034"),
        (-31.5, "", "-31.5"),
        (None, "ratio", "?"),
        (nan, "", "?"),
        (inf, "seconds", "?"),
    ],
)
def test_value(number: float | None, unit: str, text: str) -> None:
    """A number in its unit, with as many digits as say something."""
    assert words.value(number, unit) == text


@pytest.mark.parametrize(
    ("low", "high", "unit", "text"),
    [
        (0.969, 0.975, "ratio", "96.9–97.5 %"),
        (0.45, 1.2, "seconds", "450 ms–1.2 s"),
        (2.0, 3.5, "seconds", "2–3.5 s"),
        (60, 250, "seconds", "1 min–4 min 10 s"),
        (900, 12_034, "", "900–12 034"),
    ],
)
def test_interval(low: float, high: float, unit: str, text: str) -> None:
    """The unit stands once where both bounds have the same."""
    assert words.interval(low, high, unit) == text


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0 s"), (-5, "0 s"), (999, "0 s"), (65_000, "1 min 5 s"), (120_000, "2 min"), (90_061_000, "1 d 1 h")],
)
def test_duration(milliseconds: int, text: str) -> None:
    """The two greatest parts, without those that are zero."""
    assert words.duration(milliseconds) == text
