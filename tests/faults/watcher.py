"""Watches what only counts: no such series of a `serve` may ever fall, whatever happens to it or to what it reads."""

import http.client
import threading
import time
import urllib.request
from typing import Self

from tests.e2e.monitor import Process

EVERY_SECONDS = 0.9
TIMEOUT_SECONDS = 2.0
COUNTED = ("_total", "_count", "_bucket")
MOST_TOLD = 20


class Watcher:
    """Scrapes `/metrics` of each of these, again and again. A process that comes back must go on where it was."""

    def __init__(self, serves: list[Process]) -> None:
        self.fallen: list[str] = []
        self.scrapes = 0  # that were answered
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(serve,)) for serve in serves]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _watch(self, serve: Process) -> None:
        highest: dict[str, float] = {}
        while not self._over.wait(EVERY_SECONDS):
            try:
                with urllib.request.urlopen(f"{serve.url}/metrics", timeout=TIMEOUT_SECONDS) as answer:
                    text = answer.read().decode()
            except (OSError, http.client.HTTPException):
                continue
            self.scrapes += 1
            for series, value in counted(text).items():
                if value < highest.get(series, 0):
                    self._tell(f"{serve.directory.name} {series}: {highest[series]:.0f}, then {value:.0f}")
                highest[series] = max(value, highest.get(series, 0))

    def _tell(self, line: str) -> None:
        if len(self.fallen) < MOST_TOLD:
            self.fallen.append(f"/metrics fell at {time.strftime('%H:%M:%S')}: {line}")


def counted(text: str) -> dict[str, float]:
    """Series of counters and histograms, as they are written."""
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in lines if series.partition("{")[0].endswith(COUNTED)}
