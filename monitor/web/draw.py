"""Small drawings as SVG attributes: numbers only, so nothing in them needs escaping."""

from collections.abc import Sequence

WIDTH, HEIGHT = 120.0, 32.0
_GAP_MS = 35_000
"""Points further apart than this are not joined: nobody knows what lay between."""

Points = Sequence[tuple[int, float]]


def sparkline(points: Points, span_ms: int) -> str:
    """Returns an SVG path of (epoch ms, value) over the last `span_ms`, scaled to its own range; empty below two points."""
    if len(points) < 2:  # noqa: PLR2004
        return ""
    end = points[-1][0]
    low, high = min(value for _, value in points), max(value for _, value in points)
    # a steady line lies in the middle, and noise below 1 % of the value is not blown up into an alarm
    room = max(high - low, abs(high) * 0.01, 1e-9)
    base = (low + high - room) / 2
    path, before = [], None
    for at, value in points:
        x = WIDTH * (1 - (end - at) / span_ms)
        y = HEIGHT - 2 - (HEIGHT - 4) * (value - base) / room
        joined = before is not None and at - before <= _GAP_MS
        path.append(f"{'L' if joined else 'M'}{x:.1f} {y:.1f}")
        before = at
    return "".join(path)


def share(value: float, full: float) -> float:
    """Returns where a value lies on a bar of 0–100."""
    return round(min(100.0, max(0.0, 100 * value / full)), 2) if full > 0 else 0.0
