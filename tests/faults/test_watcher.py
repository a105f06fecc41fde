"""What the watcher of `/metrics` notices, and that it notices when it watches nothing."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import cast

import pytest

from tests.e2e.monitor import Process
from tests.faults import watcher
from tests.faults.watcher import Watched, Watcher
from tests.services.http import listening

FIGURES = 'xmon_records_total{topic="t"} 1\n'


@dataclass
class Serve:
    """As far as it is watched."""

    url: str
    alive: bool = True
    directory: Path = Path("serve-1")

    def lives(self) -> bool:
        return self.alive


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher, "EVERY_SECONDS", 0.01)


@contextmanager
def answering(text: str) -> Iterator[str]:
    """The URL of who answers everything with this."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: object) -> None: ...

    with listening(Handler) as url:
        yield url


def watched(serve: Serve, until: Callable[[Watcher], bool] = lambda _: False, seconds: float = 0.3) -> Watcher:
    """What was seen of it in so much time."""
    deadline = time.monotonic() + seconds
    with Watcher([cast("Process", serve)]) as found:
        while time.monotonic() < deadline and not until(found):
            time.sleep(0.01)
    return found


def nobody() -> str:
    """A URL at which nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


@pytest.mark.parametrize("series", ["a_total", 'b_bucket{le="1.0"}', "c_count", "c_sum"])
def test_whatever_is_cumulative_may_not_fall(series: str) -> None:
    """Counters, and of histograms sums as well."""
    one = Watched(cast("Process", Serve("")))
    for value in (1, 2.5, 2.5, 2.25):
        one.take(f"# HELP a b\n{FIGURES}{series} {value}\n")
    (line,) = one.fallen
    assert line.endswith(f"{series}: 2.5, then 2.25")


def test_who_answers_with_figures_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to tell."""
    monkeypatch.setattr(watcher, "EVERY_SECONDS", 0.2)
    with answering(FIGURES) as url:
        found = watched(Serve(url), lambda watcher: watcher.scrapes > 3, 30)
    assert found.scrapes > 3
    assert found.differences == []


def test_who_lives_and_never_answers_was_not_watched() -> None:
    """A process that is there, and never says anything."""
    (line,) = watched(Serve(nobody()), lambda watcher: bool(watcher.differences), 30).differences
    assert line.startswith("serve-1 was scraped 0 times")


def test_answers_without_figures_do_not_count() -> None:
    """As while the store is away."""
    with answering("xmon_up 0\nxmon_notifications_total 0\n") as url:
        found = watched(Serve(url), lambda watcher: bool(watcher.differences), 30)
    assert len(found.differences) == 1


def test_who_is_dead_owes_no_answer() -> None:
    """Until somebody starts it again."""
    assert watched(Serve(nobody(), alive=False)).differences == []


def test_a_watch_that_ended_is_told() -> None:
    """An answer that cannot be read ends it."""
    with answering(f"{FIGURES}a_total many\n") as url:
        found = watched(Serve(url), lambda watcher: any("ended" in line for line in watcher.differences), 30)
    assert any("watching serve-1 ended: ValueError" in line for line in found.differences)
