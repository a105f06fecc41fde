"""How fast a worker is beside what people would use in its place: the same events, one after the other, in every round.

Ours does all that it does in production; the others count and sum by page. Ratios are taken within a round.
"""

import random
import statistics
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from benchmarks.arena import Arena, Line, Scale
from benchmarks.events import PageLoads, Record, compact, publish
from benchmarks.markdown import Target, markdown
from benchmarks.peers.jobs import Jobs
from benchmarks.peers.load import PARTITIONS, create
from benchmarks.peers.speed import RACERS, SESSION_SECONDS, DidNotFinish, Racer, measure
from benchmarks.worker import Unseen, Workers
from tests.e2e.monitor import Monitor
from tests.services.service import Missing

OURS = "xmon"
SECONDS = 20.0  # of event time
Topic = tuple[str, int]  # key, events


def lines(arena: Arena, scale: Scale) -> Iterator[Line]:
    """A line for each contestant of each round; nobody is always the first."""
    racers = [racer for racer in RACERS if scale.peers and installed(racer)]
    with arena.monitor("speed") as monitor:
        monitor.create_topics(PARTITIONS)
        topics = {(racer.key, racer.events(scale.events)): f"{racer.key}-{racer.events(scale.events)}" for racer in racers}
        topics["session", scale.events] = "page-load"
        jobs = Jobs(arena.kafka.bootstrap, arena.redis.url, arena.folder)
        if others := [monitor.topic(name) for name in topics.values() if name != "page-load"]:
            create(jobs.bootstrap, *others)
        publish(arena.kafka.bootstrap, monitor.topic_prefix, page_loads(scale.events, topics))
        contestants = [None, *racers]
        for number in range(1, scale.rounds + 1):
            for racer in contestants[number - 1 :] + contestants[: number - 1]:
                if racer is None:
                    yield ours(arena, monitor, number, scale.events)
                else:
                    events = racer.events(scale.events)
                    yield raced(arena, jobs, monitor.topic(topics[racer.key, events]), racer, number, events)


def installed(racer: Racer) -> bool:
    """Before the clock runs. Whoever cannot be is told, and left out."""
    try:
        racer.command()
    except (Missing, OSError, subprocess.SubprocessError) as problem:
        print(f"{racer.name} cannot be installed: {problem}", flush=True)
        return False
    return True


def page_loads(events: int, topics: Mapping[Topic, str]) -> Iterator[Record]:
    """As they came in so many seconds, in order: to each topic the first ones, under its key."""
    rng, loads, began_ms = random.Random(1), PageLoads(), 1000 * (time.time() - SECONDS)
    for number in range(events):
        event = loads.event(rng, number, int(began_ms + 1000 * SECONDS * number / events))
        value = compact(event)
        for (key, most), name in topics.items():
            if number < most:
                yield name, event[key], value


def ours(arena: Arena, monitor: Monitor, number: int, events: int) -> Line:
    """One worker, with a group and a state of its own."""
    name = f"speed-{number}"
    places = [("page-load", partition) for partition in range(PARTITIONS)]
    with Workers(arena, monitor, places, XMON_GROUP_ID=name, XMON_REDIS_PREFIX=name) as workers:
        told: Line = dict.fromkeys(COLUMNS)
        try:
            told = asdict(workers.count(events))
        except Unseen:
            print("the worker was done before it had told twice where it was", flush=True)
        if wrong := workers.uncounted():
            raise RuntimeError(f"not every event was counted: {wrong}")
        return {"round": number, "name": OURS, "events": events, **told}


def raced(arena: Arena, jobs: Jobs, topic: str, racer: Racer, number: int, events: int) -> Line:
    """One run of a peer; without figures where it did not finish."""
    job = jobs.job(racer.variant, SESSION_SECONDS, events, topic, skipped=int(racer.unmeasured * events))
    create(jobs.bootstrap, f"{job.group}-counts")
    told: Line = dict.fromkeys(COLUMNS)
    try:
        told = asdict(measure(racer, job, arena.servers_seconds))
    except DidNotFinish as end:
        print(f"{racer.name} did not finish; its log ends:\n{end}", flush=True)
    return {"round": number, "name": racer.name, "events": events, **told}


COLUMNS = {
    "rate": ("events/s", ",.0f"),
    "cpu_us": ("CPU µs/event", ".2f"),
    "servers_us": ("of Kafka and Redis", ".2f"),
}


def finished(found: Sequence[Line], name: str) -> list[Line]:
    """The rounds of a contestant that have figures."""
    return [line for line in found if line["name"] == name and line["rate"] is not None]


def ratios(found: Sequence[Line], name: str, what: str) -> list[float]:
    """Ours over that of a peer, of each round in which it finished."""
    rounds = {line["round"]: line[what] for line in finished(found, OURS)}
    return [rounds[line["round"]] / line[what] for line in finished(found, name)]


def table(found: Sequence[Line]) -> str:
    rows = []
    for name in dict.fromkeys(line["name"] for line in found):
        some, told = finished(found, name), ["did not finish", *[""] * (len(COLUMNS) + 1)]
        if some:
            told = [format(statistics.median(line[what] for line in some), style) for what, (_, style) in COLUMNS.items()]
            ahead = sorted(ratios(found, name, "rate"))
            told += ["", ""] if name == OURS else [f"{statistics.median(ahead):.2f}", f"{ahead[0]:.2f} to {ahead[-1]:.2f}"]
        events = next(line["events"] for line in found if line["name"] == name)
        rows.append([name, f"{events:,}", *told])
    return markdown(["", "events", *(head for head, _ in COLUMNS.values()), "our rate ÷ its", "in the rounds"], rows)


def targets(found: Sequence[Line]) -> Iterator[Target]:
    for racer in RACERS:
        if ahead := ratios(found, racer.name, "rate"):
            what = f"worker's rate ÷ that of {racer.name}"
            yield Target(what, statistics.median(ahead), racer.ahead, at_least=True)
            if racer.cpu_share:
                cpu = statistics.median(ratios(found, racer.name, "cpu_us"))
                yield Target(f"worker's CPU an event ÷ that of {racer.name}", cpu, racer.cpu_share)
