"""The last ten minutes of headline values: one bounded ring a figure, for the small curves on the page."""

from collections import deque
from collections.abc import Iterable

from streams.reading.figures import Labels, Reading

SPAN_MS = 600_000
STEP_MS = 10_000
LIMIT = 5_000

Key = tuple[str, str, str, Labels]  # app, environment, figure, labels


class History:
    """Values of at most `limit` figures, one each `STEP_MS`; what is unseen for the whole span is forgotten."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._rings: dict[Key, deque[tuple[int, float]]] = {}
        self._next_ms = 0

    def due(self, at_ms: int) -> bool:
        """Returns whether a step has passed, and if so starts the next one."""
        if at_ms < self._next_ms:
            return False
        self._next_ms = at_ms - at_ms % STEP_MS + STEP_MS
        return True

    def add(self, at_ms: int, figure: str, readings: Iterable[Reading]) -> None:
        for reading in readings:
            key = (reading.series.app, reading.series.environment, figure, reading.labels)
            if key not in self._rings and len(self._rings) < self._limit:
                self._rings[key] = deque(maxlen=SPAN_MS // STEP_MS + 1)
            if key in self._rings:
                self._rings[key].append((at_ms, reading.value))

    def forget(self, at_ms: int) -> None:
        """Drops points older than the span, and rings without points."""
        for key, ring in list(self._rings.items()):
            while ring and ring[0][0] < at_ms - SPAN_MS:
                ring.popleft()
            if not ring:
                del self._rings[key]

    def points(self, app: str, environment: str, figure: str, labels: Labels = ()) -> list[tuple[int, float]]:
        return list(self._rings.get((app, environment, figure, labels), ()))
