"""Watches what only counts: no such series of a `serve` may ever fall, whatever happens to it or to what it reads."""

import http.client
import threading
import time
import urllib.request
from typing import Self

from tests.e2e.monitor import Process

EVERY_SECONDS = 0.9
TIMEOUT_SECONDS = 2.0
COUNTED = ("_total", "_count", "_bucket", "_sum")
FIGURES = "xmon_records_total"  # while there are no figures, `/metrics` answers without it, and nothing was watched
LEAST_SHARE = 0.1  # of the scrapes that were due while a process lived
MOST_TOLD = 20


class Watcher:
    """Scrapes `/metrics` of each of these, again and again. A process that comes back must go on where it was."""

    def __init__(self, serves: list[Process]) -> None:
        self._watched = [Watched(serve) for serve in serves]
        self._over = threading.Event()
        self._threads = [threading.Thread(target=one.watch, args=(self._over,)) for one in self._watched]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def scrapes(self) -> int:
        """That were answered with figures."""
        return sum(one.scrapes for one in self._watched)

    @property
    def differences(self) -> list[str]:
        """What fell, and who was not watched."""
        return [line for one in self._watched for line in (*one.fallen, *one.unwatched())]


class Watched:
    """One process, and how high each of its series has been."""

    def __init__(self, serve: Process) -> None:
        self.fallen: list[str] = []
        self.scrapes = 0
        self._serve, self._name = serve, serve.directory.name
        self._lived_seconds = 0.0
        self._broken = ""  # what ended the watching
        self._highest: dict[str, float] = {}

    def watch(self, over: threading.Event) -> None:
        """Until it is over."""
        began = time.monotonic()
        try:
            while not over.wait(EVERY_SECONDS):
                self._look()
                now = time.monotonic()
                self._lived_seconds += now - began if self._serve.lives() else 0
                began = now
        except Exception as error:  # noqa: BLE001 - whatever it is, nobody watches any more
            self._broken = f"{type(error).__name__}: {error}"

    def _look(self) -> None:
        try:
            with urllib.request.urlopen(f"{self._serve.url}/metrics", timeout=TIMEOUT_SECONDS) as answer:
                text = answer.read().decode()
        except (OSError, http.client.HTTPException):
            return
        self.take(text)

    def take(self, text: str) -> None:
        """Notes one answer."""
        series = counted(text)
        self.scrapes += any(name.partition("{")[0] == FIGURES for name in series)
        for name, value in series.items():
            before = self._highest.get(name, 0)
            if value < before and len(self.fallen) < MOST_TOLD:
                at = time.strftime("%H:%M:%S")
                self.fallen.append(f"/metrics fell at {at}: {self._name} {name}: {before:.15g}, then {value:.15g}")
            self._highest[name] = max(value, before)

    def unwatched(self) -> list[str]:
        """Why what did not fall proves nothing."""
        due = self._lived_seconds / EVERY_SECONDS
        few = [f"{self._name} was scraped {self.scrapes} times; {due:.0f} were due"] if self.scrapes < LEAST_SHARE * due else []
        return few + ([f"watching {self._name} ended: {self._broken}"] if self._broken else [])


def counted(text: str) -> dict[str, float]:
    """Series of counters and histograms, as they are written."""
    lines = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    return {series: float(value) for series, _, value in lines if series.partition("{")[0].endswith(COUNTED)}
