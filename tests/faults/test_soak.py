"""How a soak is judged; the soak itself runs for half an hour and is started by hand: `python -m tests.faults.soak`."""

import math
from collections.abc import Callable

import pytest

from tests.faults.soak import HEAD, MOST_GROWTH, Sample, growth, row

HALF_HOUR = [5.0 * number for number in range(1, 361)]
Curve = Callable[[float], float]


def samples(worker: Curve, serve: Curve = lambda _: 150.0, frames: Curve = lambda _: 0.0) -> list[Sample]:
    """In megabytes by second."""
    size = lambda curve, second: int(curve(second) * 1e6)  # noqa: E731
    return [
        Sample(s, int(s * 1500), 0, size(worker, s), 0.1 * s, size(serve, s), 0.2 * s, 40_000_000, 0, size(frames, s))
        for s in HALF_HOUR
    ]


def test_what_fills_in_the_first_third_is_no_growth() -> None:
    """Nor is what goes up and down."""
    filling = lambda second: 300 * min(second / 500, 1) + 5 * math.sin(second)  # noqa: E731
    assert abs(growth(samples(filling))["worker"]) < MOST_GROWTH / 10


@pytest.mark.parametrize("leak", [0.02, 0.1])
def test_a_leak_is_growth(leak: float) -> None:
    """Of so many megabytes a second, hidden below ups and downs: the share of what there was after the first third."""
    found = growth(samples(lambda second: 300 + leak * second + 5 * math.sin(second)))["worker"]
    assert found == pytest.approx(leak * 1200 / (300 + leak * 600), rel=0.05)
    assert found > MOST_GROWTH


def test_minutes_that_are_kept_are_left_out() -> None:
    """What `serve` holds of closed minutes grows for 75 minutes, and is known."""
    minutes = lambda second: second / 60  # noqa: E731
    grown = samples(lambda _: 300.0, serve=lambda second: 150 + minutes(second), frames=minutes)
    assert abs(growth(grown)["serve"]) < 0.001
    assert growth(samples(lambda _: 300.0, serve=lambda second: 150 + minutes(second)))["serve"] > MOST_GROWTH


def test_a_row_fits_its_head_and_shows_cpu_since_the_row_before() -> None:
    """Microseconds of the worker for each event, and how busy `serve` was."""
    first, second = samples(lambda _: 300.0)[:2]
    line = row(second, first)
    assert len(line) == len(row(first, None)) == len(HEAD.splitlines()[1])
    assert line.split()[-2:] == ["66.7", "20"]
