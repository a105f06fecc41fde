"""What is published: page loads at a rate, by visitors like the demo's, in an app of their own."""

from dataclasses import dataclass
from random import Random
from typing import Any

from monitor.demo.world import BROWSERS, SHOP, person, pick

APP, ENVIRONMENT = "xmon-bench", "benchmark"
VIEWS = 8  # of a session
UNDER_WAY = 500  # sessions at a time
PEOPLE, PAGES = 2000, 997  # that come again and again; with no common divisor, so that everybody sees every page


@dataclass(frozen=True, slots=True)
class Load:
    """So many events a second for so many seconds. They carry `run` as their release, so that each run is counted apart."""

    rate: int
    seconds: int
    run: str

    @property
    def events(self) -> int:
        return self.rate * self.seconds

    def due_seconds(self, number: int) -> float:
        """When the event of a number, from 0 on, is due: the schedule is fixed, whatever becomes of earlier ones."""
        return number / self.rate


class Visits:
    """The events of a run, by number."""

    def __init__(self, run: str) -> None:
        rng = Random(run)  # noqa: S311  a load, not cryptography
        self._run = run
        self._people = [_visitor(rng, run) for _ in range(PEOPLE)]
        self._pages = [_page(rng) for _ in range(PAGES)]

    def event(self, number: int, at_ms: int) -> dict[str, Any]:
        """About 300 bytes as JSON. Its id is of the run and the number, so it is counted once however often it is sent."""
        session = number // (VIEWS * UNDER_WAY) * UNDER_WAY + number % UNDER_WAY
        return {
            "id": f"{self._run}-{number}",
            "timestamp": at_ms,
            **self._people[session % PEOPLE],
            "session": f"{self._run}-s{session}",
            **self._pages[number % PAGES],
        }


def _visitor(rng: Random, run: str) -> dict[str, str]:
    who = person(rng, SHOP)
    return who | {"app": APP, "environment": ENVIRONMENT, "release": run, "browser": pick(rng, BROWSERS[who["os"]])}


def _page(rng: Random) -> dict[str, Any]:
    """Fast enough that no rule fires."""
    path = pick(rng, {path: weight for path, (weight, _) in SHOP.pages.items()})
    total = round(SHOP.pages[path][1] * rng.lognormvariate(0, 0.3))
    return {
        "url": SHOP.site + path.format(rng.randrange(10_000)),
        "status": 200,
        "duration_ms": total,
        "lcp_ms": round(total * 0.8),
    }
