"""Watches the source, remembers the last minutes, and wakes everyone who shows it."""

import asyncio
import logging

from monitor.ports import Alerts, Snapshot, Source
from monitor.web.cards import headlines
from monitor.web.history import History

_log = logging.getLogger(__name__)
_LOOK_SECONDS = 0.2
_BEAT_SECONDS = 1.0
CURVE_WINDOW = "1m"
"""Curves show the shortest window, whatever the page shows: a longer one would smooth away what just happened."""


class Live:
    """One a process. `version` grows with every new snapshot, and once a second without one, since ages change too."""

    def __init__(self, source: Source, alerts: Alerts) -> None:
        self.source = source
        self.alerts = alerts
        self.history = History()
        self.was_complete = False
        self.version = 0
        self.closed = False
        self._seen: Snapshot | None = None
        self._changed_at = 0.0
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Looks at the source until cancelled."""
        while True:
            try:
                self.look(asyncio.get_running_loop().time())
            except Exception:  # noqa: BLE001  a page that stops for good because one look failed helps nobody
                _log.exception("looking at the newest snapshot failed")
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self, now: float) -> None:
        """One look at monotonic second `now`; wakes all who wait when there is something to show."""
        snapshot = self.source.snapshot
        fresh = snapshot is not None and snapshot is not self._seen
        if not fresh and now - self._changed_at < _BEAT_SECONDS:
            return
        self._changed_at = now
        if fresh and snapshot is not None:
            self._seen = snapshot
            self.was_complete = self.was_complete or snapshot.complete
            self._remember(snapshot)
        self._wake_all()

    def close(self) -> None:
        """Ends the event streams; to be called before the server stops, which waits for open answers."""
        self.closed = True
        self._wake_all()

    def _wake_all(self) -> None:
        self.version += 1
        woken, self._wake = self._wake, asyncio.Event()
        woken.set()

    async def changed(self, since: int) -> int:
        """Returns the version as soon as it is another than `since`."""
        while self.version == since:
            await self._wake.wait()
        return self.version

    def _remember(self, snapshot: Snapshot) -> None:
        if not self.history.due(snapshot.at_ms):
            return
        for figure in snapshot.figures.values():
            spoken = headlines(figure, snapshot.read(figure.name, CURVE_WINDOW))
            self.history.add(snapshot.at_ms, figure.name, spoken.values())
        self.history.forget(snapshot.at_ms)
