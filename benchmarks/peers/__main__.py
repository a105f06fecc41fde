"""Measures this product beside what people would use in its place, on a real broker.

python -m benchmarks.peers exactness [--events 100000] [--rate 1500] [--kills 5] [--seed 1] [names...]
python -m benchmarks.peers speed [--events 1000000] [names...]

A name is any part of a contestant's; without one all are measured, one after the other.
"""

import argparse
import json
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from benchmarks.peers import exactness, speed
from benchmarks.peers.contestants import CONTESTANTS
from benchmarks.peers.environments import CACHE
from benchmarks.peers.job import Job
from benchmarks.peers.load import PARTITIONS, create
from benchmarks.peers.load import publish as publish_by
from benchmarks.throughput import Load, Measured, bare, monitored, publish
from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer

SESSION_SECONDS = 45.0  # nobody is killed
REFERENCES: Mapping[str, Callable[[Load], Measured]] = {
    "bare aiokafka": bare,
    "xmon": lambda load: monitored(load, 1),
}

T = TypeVar("T")


def main() -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a coordinator that is not ready yet is no news
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and what was started ends too
    options = parsed()
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE, prefix="run-") as name:
        folder = Path(name)
        kafka, redis = KafkaServer(folder / "kafka"), RedisServer(folder / "redis")
        with kafka, redis:
            options.run(options, Arena(kafka.bootstrap, redis.url, folder))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    exact = commands.add_parser("exactness", help="counting while being killed")
    exact.set_defaults(run=run_exactness)
    exact.add_argument("--events", type=int, default=100_000)
    exact.add_argument("--rate", type=float, default=1500, help="events a second; one that all can follow")
    exact.add_argument("--kills", type=int, default=5)
    exact.add_argument("--seed", type=int, default=1, help="of the instants of the kills")
    fast = commands.add_parser("speed", help="events a second and CPU an event")
    fast.set_defaults(run=run_speed)
    fast.add_argument("--events", type=int, default=1_000_000)
    for command in (exact, fast):
        command.add_argument("names", nargs="*", help="parts of the names of those who are measured; none: all")
    return parser.parse_args()


@dataclass
class Arena:
    """Where they are measured, one after the other."""

    bootstrap: str
    redis_url: str
    folder: Path
    jobs: int = 0

    def job(self, variant: str, session_timeout_seconds: float, events: int, topic: str | None = None) -> Job:
        """A job of a group, directory and, unless one is given, topic of its own."""
        self.jobs += 1
        group = f"run-{self.jobs}"
        directory = self.folder / group
        directory.mkdir()
        return Job(
            bootstrap=self.bootstrap,
            redis_url=self.redis_url,
            topic=topic or f"{group}.page-load",
            partitions=PARTITIONS,
            group=group,
            variant=variant,
            directory=str(directory),
            session_timeout_seconds=session_timeout_seconds,
            events=events,
        )


def run_exactness(options: argparse.Namespace, arena: Arena) -> None:
    plan = exactness.Plan(options.events, options.rate, options.kills, options.seed)
    print(f"{plan.events:,} page loads at {plan.rate:,.0f}/s, {PARTITIONS} partitions; kill -9 after", end=" ")
    print(" ".join(f"{instant:.1f}" for instant in plan.instants()), "s", flush=True)
    outcomes = []
    for contestant in chosen(CONTESTANTS, options.names).values():
        job = arena.job(contestant.variant, contestant.session_timeout_seconds, plan.events)
        try:
            outcome = exactness.measure(contestant, plan, job)
        except exactness.DoesNotWork as end:
            print(f"{contestant.name} does not work; its log ends:\n{end}", flush=True)
            continue
        outcomes.append(outcome)
        print(exactness.table([outcome]).splitlines()[-1], flush=True)
        keep("exactness", {**asdict(plan), **asdict(outcome)})
    print(exactness.table(outcomes))


def run_speed(options: argparse.Namespace, arena: Arena) -> None:
    """This product and the bare loop of `benchmarks` first, then the others, over the same events."""
    load = Load(arena.bootstrap, arena.redis_url, options.events)
    topics = {"session": load.topic, "page": f"{load.topic}-by-page"}
    print(f"{load.events:,} page loads of {publish(load)} bytes, {PARTITIONS} partitions", flush=True)
    for name, run in chosen(REFERENCES, options.names).items():
        told(name, load.events, run(load))
    racers = chosen(speed.RACERS, options.names).values()
    if any(racer.key == "page" for racer in racers):
        create(arena.bootstrap, topics["page"])
        publish_by(arena.bootstrap, topics["page"], load.events, "page")
    for racer in racers:
        racer.command()  # installed before the clock runs
        job = arena.job(racer.variant, SESSION_SECONDS, min(load.events, racer.most), topics[racer.key])
        create(arena.bootstrap, f"{job.group}-counts")
        try:
            told(racer.name, job.events, speed.measure(racer, job))
        except speed.DidNotFinish as end:
            print(f"{racer.name} did not finish; its log ends:\n{end}", flush=True)


def told(name: str, events: int, measured: Measured) -> None:
    """Prints and keeps."""
    print(f"{name:34} {measured}   over {events:,} events", flush=True)
    keep("speed", {"name": name, "events": events, **asdict(measured)})


def chosen(all_of_them: Mapping[str, T], names: Sequence[str]) -> dict[str, T]:
    """Those whose name contains one of these; without any, all."""
    wanted = [name.lower() for name in names] or [""]
    return {name: one for name, one in all_of_them.items() if any(part in name.lower() for part in wanted)}


def keep(task: str, result: Mapping[str, object]) -> None:
    """One more line of .cache/peers/<task>.jsonl."""
    with (CACHE / f"{task}.jsonl").open("a") as file:
        file.write(json.dumps({"at": int(time.time()), **result}) + "\n")


if __name__ == "__main__":
    main()
