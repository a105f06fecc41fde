"""How fast a worker is beside what people would use in its place: the same events, one after the other, in every round.

Ours does all that it does in production; the others count and sum by page. Ratios are taken within a round.
"""

import random
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from benchmarks.arena import Arena, Line, Scale
from benchmarks.events import PageLoads, Record, compact, publish
from benchmarks.markdown import Target, markdown
from benchmarks.peers.jobs import Jobs
from benchmarks.peers.load import PARTITIONS, create
from benchmarks.peers.speed import RACERS, SESSION_SECONDS, DidNotFinish, Racer, measure
from benchmarks.worker import Workers

OURS, BY_PAGE = "xmon", "page-load-by-page"


def lines(arena: Arena, scale: Scale) -> Iterator[Line]:
    """A line for each contestant of each round."""
    racers = RACERS if scale.peers else ()
    for racer in racers:
        racer.command()  # installed before the clock runs
    with arena.monitor("speed") as monitor:
        monitor.create_topics(PARTITIONS)
        topics = {"session": monitor.topic("page-load"), "page": monitor.topic(BY_PAGE)}
        jobs = Jobs(arena.kafka.bootstrap, arena.redis.url, arena.folder)
        if racers:
            create(jobs.bootstrap, topics["page"])
        publish(arena.kafka.bootstrap, monitor.topic_prefix, page_loads(scale.events, by_page=bool(racers)))
        for number in range(1, scale.rounds + 1):
            name = f"speed-{number}"
            places = [("page-load", partition) for partition in range(PARTITIONS)]
            with Workers(monitor, arena.client, places, XMON_GROUP_ID=name, XMON_REDIS_PREFIX=name) as workers:
                yield {"round": number, "name": OURS, "events": scale.events, **asdict(workers.count(scale.events))}
            for racer in racers:
                yield from raced(jobs, topics, racer, number, min(scale.events, racer.most))


def page_loads(events: int, *, by_page: bool) -> Iterator[Record]:
    """All at once, as they come; where asked, a second time with the page as key."""
    rng, loads = random.Random(1), PageLoads()
    for number in range(events):
        event = loads.event(rng, number, int(time.time() * 1000))
        value = compact(event)
        yield "page-load", event["session"], value
        if by_page:
            yield BY_PAGE, event["page"], value


def raced(jobs: Jobs, topics: Mapping[str, str], racer: Racer, number: int, events: int) -> Iterator[Line]:
    """One run of a peer; nothing where it did not finish."""
    job = jobs.job(racer.variant, SESSION_SECONDS, events, topics[racer.key])
    create(jobs.bootstrap, f"{job.group}-counts")
    try:
        yield {"round": number, "name": racer.name, "events": events, **asdict(measure(racer, job))}
    except DidNotFinish as end:
        print(f"{racer.name} did not finish; its log ends:\n{end}", flush=True)


def ratios(found: Sequence[Line], name: str, what: str) -> list[float]:
    """Ours over that of a peer, of each round in which it finished."""
    rounds = {line["round"]: line[what] for line in found if line["name"] == OURS}
    return [rounds[line["round"]] / line[what] for line in found if line["name"] == name]


def table(found: Sequence[Line]) -> str:
    rows = []
    for name in dict.fromkeys(line["name"] for line in found):
        some = [line for line in found if line["name"] == name]
        rate, cpu = (statistics.median(line[what] for line in some) for what in ("rate", "cpu_us"))
        ahead = [] if name == OURS else sorted(ratios(found, name, "rate"))
        told = [f"{statistics.median(ahead):.2f}", f"{ahead[0]:.2f} to {ahead[-1]:.2f}"] if ahead else ["", ""]
        rows.append([name, f"{some[0]['events']:,}", f"{rate:,.0f}", f"{cpu:.2f}", *told])
    return markdown(["", "events", "events/s", "CPU µs/event", "our rate ÷ its", "in the rounds"], rows)


def targets(found: Sequence[Line]) -> Iterator[Target]:
    for racer in RACERS:
        if ahead := ratios(found, racer.name, "rate"):
            what = f"worker's rate ÷ that of {racer.name}"
            yield Target(what, statistics.median(ahead), racer.ahead, at_least=True)
            if racer.cpu_share:
                cpu = statistics.median(ratios(found, racer.name, "cpu_us"))
                yield Target(f"worker's CPU an event ÷ that of {racer.name}", cpu, racer.cpu_share)
