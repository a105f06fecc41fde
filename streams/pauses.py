"""How long to wait before what failed is tried again."""

from collections.abc import Iterator

FIRST_SECONDS = 0.1


def pauses(longest: float) -> Iterator[float]:
    """Seconds: each twice the one before, up to `longest`, without end."""
    pause = FIRST_SECONDS
    while True:
        yield pause
        pause = min(2 * pause, longest)
