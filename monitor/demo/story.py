"""A day in the life of two apps, as events. The same seed tells the same story: no clock, no I/O.

`moments` is what begins in one second; `tell` puts everything that follows from it into the order in which it happens.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from math import log
from random import Random
from typing import Any

from monitor.demo.incidents import LINK, QUEUE, RELEASE, traffic
from monitor.demo.world import APPS, BAD_RELEASE, BROWSERS, SHOP, SLOWNESS, App, person, pick

SOLVED = 0.8  # share of answered contacts whose problem is solved


@dataclass(frozen=True, slots=True)
class Moment:
    """An event of a family, at so many seconds of the story."""

    at: float
    family: str
    fields: dict[str, Any]


def tell(seed: int, begin: int = 0) -> Iterator[Moment]:
    """All moments from second `begin` on, in the order of time, without end. Seconds before 0 are the quiet past."""
    rng, number = Random(seed), count()
    coming: list[tuple[float, int, Moment]] = []
    for second in count(begin):
        for moment in moments(second, rng):
            heappush(coming, (moment.at, next(number), moment))
        while coming and coming[0][0] < second + 1:
            yield heappop(coming)[2]


def moments(second: int, rng: Random) -> Iterator[Moment]:
    """What begins in this second, with all that follows from it later."""
    for app in APPS:
        for at in _arrivals(second, app.visits_per_second, rng):
            yield from _visit(app, at, rng)
        growth = 1 + QUEUE.strength(second) * (app is SHOP)
        for at in _arrivals(second, app.contacts_per_second * growth, rng):
            yield from _contact(app, at, rng)


def _arrivals(second: int, rate: float, rng: Random) -> list[float]:
    """Instants of a Poisson process."""
    at, instants = second + rng.expovariate(rate * traffic(second)), []
    while at < second + 1:
        instants.append(at)
        at += rng.expovariate(rate * traffic(second))
    return instants


def _visit(app: App, at: float, rng: Random) -> Iterator[Moment]:
    """Someone comes, looks at some pages, perhaps meets a dead link or a crash, and leaves."""
    who = person(rng, app)
    if app is SHOP and rng.random() < 0.7 * RELEASE.strength(at):
        who["release"] = BAD_RELEASE
    bad = who["release"] == BAD_RELEASE and who["device"] == "tablet"
    in_app = rng.random() < app.in_app_share
    who |= {"channel": "app"} if in_app else {"channel": "web", "browser": pick(rng, BROWSERS[who["os"]])}
    begun = at
    if in_app:
        yield Moment(at, "app-session", _event(rng, who, status="started", cold_start_ms=_around(rng, 900, 0.4)))
    crashes_after = rng.randint(1, 3) if in_app and rng.random() < (0.35 if bad else 0.002) else None
    for page in range(1, 2 + min(9, int(rng.expovariate(1 / 4.5)))):
        at += _seconds(rng, 0.4 if page == 1 else 4, 0.6)
        yield from _page(app, at, who, bad, rng)
        if page == crashes_after:
            yield Moment(at + 0.3, "app-crash", _event(rng, who, **_CRASH[bad]))
            break
    if in_app:
        yield Moment(at + 1, "app-session", _event(rng, who, status="ended", duration_ms=round((at + 1 - begun) * 1000)))


_CRASH = {
    False: {"kind": "crash", "type": "OutOfMemoryError", "fingerprint": "oom-image-cache", "foreground": True},
    True: {"kind": "crash", "type": "NullPointerException", "fingerprint": "npe-tablet-layout", "foreground": True},
}


def _page(app: App, at: float, who: dict[str, str], bad: bool, rng: Random) -> Iterator[Moment]:
    path = pick(rng, {name: weight for name, (weight, _) in app.pages.items()})
    slow = SLOWNESS.get(who["country"], 1) * SLOWNESS.get(who["device"], 1) * (4.5 if bad else 1)
    total = _around(rng, app.pages[path][1] * slow, 0.45)
    status = rng.choices((200, 500, 503, 0), (996, 2, 1, 1))[0]
    url = app.site + path.format(rng.randrange(10_000))
    timings = {} if status == 0 else {"duration_ms": total, **_vitals(total, rng)}
    yield Moment(at, "page-load", _event(rng, who, url=url, status=status, **timings))
    if app is SHOP and path == "/" and rng.random() < 0.01 + 0.35 * LINK.strength(at):
        dead = "/sale/winter" if rng.random() < LINK.strength(at) else f"/products/{rng.randrange(10_000)}"
        link = {"target": app.site + dead, "source": url, "status": 404, "reason": "http", "kind": "page-link"}
        yield Moment(at + 0.8, "link-error", _event(rng, who, **link))


def _vitals(total: int, rng: Random) -> dict[str, float]:
    """Web vitals that fit a load time of so many milliseconds."""
    shares = {"ttfb_ms": 0.22, "fcp_ms": 0.5, "lcp_ms": 0.8}
    times = {name: min(total, _around(rng, total * share, 0.15)) for name, share in shares.items()}
    return times | {"inp_ms": _around(rng, 60 + total / 25, 0.5), "cls": round(min(1.0, rng.expovariate(25)), 4)}


def _contact(app: App, at: float, rng: Random) -> Iterator[Moment]:
    """Someone asks for help and is answered, or gives up first."""
    strength = QUEUE.strength(at) if app is SHOP else 0.0
    wait, patience = _seconds(rng, 5 * (1 + 6 * strength), 0.6), min(45.0, _seconds(rng, 30, 0.6))
    who = {name: value for name, value in person(rng, app).items() if name in {"app", "country", "segment", "user"}}
    who |= {"customer": who.pop("user"), "contact": f"c{rng.getrandbits(64):016x}"}
    who |= {
        "channel": pick(rng, {"chat": 55, "call": 45}),
        "queue": pick(rng, app.queues),
        "topic": pick(rng, app.topics),
    }
    yield Moment(at, "contact", _event(rng, who, state="queued"))
    if patience < wait:
        yield Moment(at + patience, "contact", _event(rng, who, state="abandoned"))
        return
    talk = _seconds(rng, 15, 0.5)
    ended = at + wait + talk
    yield Moment(at + wait, "contact", _event(rng, who, state="answered", handled_by="human"))
    yield Moment(ended, "contact", _event(rng, who, state="ended", talk_seconds=round(talk, 3), wrap_up_seconds=4.0))
    if rng.random() < SOLVED:
        yield Moment(ended + 1, "contact", _event(rng, who, state="resolved", resolution_seconds=round(wait + talk, 3)))


def _event(rng: Random, who: dict[str, str], **fields: Any) -> dict[str, Any]:
    return {"id": f"{rng.getrandbits(64):016x}", **who, **fields}


def _seconds(rng: Random, median: float, spread: float) -> float:
    """Log-normal, as waits and load times are."""
    return rng.lognormvariate(log(median), spread)


def _around(rng: Random, median: float, spread: float) -> int:
    return round(_seconds(rng, median, spread))
