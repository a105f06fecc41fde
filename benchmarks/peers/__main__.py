"""Kills this product, and what people would use in its place, while they count what a real broker has.

python -m benchmarks.peers exactness [--events 100000] [--rate 1500] [--kills 5] [--seed 1] [names...]

A name is any part of a contestant's; without one all are measured, one after the other.
"""

import argparse
import json
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from benchmarks.peers import exactness
from benchmarks.peers.contestants import CONTESTANTS
from benchmarks.peers.environments import CACHE
from benchmarks.peers.jobs import Jobs
from benchmarks.peers.load import PARTITIONS
from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer

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
            options.run(options, Jobs(kafka.bootstrap, redis.url, folder))


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
    exact.add_argument("names", nargs="*", help="parts of the names of those who are measured; none: all")
    return parser.parse_args()


def run_exactness(options: argparse.Namespace, jobs: Jobs) -> None:
    plan = exactness.Plan(options.events, options.rate, options.kills, options.seed)
    print(f"{plan.events:,} page loads at {plan.rate:,.0f}/s, {PARTITIONS} partitions; kill -9 after", end=" ")
    print(" ".join(f"{instant:.1f}" for instant in plan.instants()), "s", flush=True)
    outcomes = []
    for contestant in chosen(CONTESTANTS, options.names).values():
        job = jobs.job(contestant.variant, contestant.session_timeout_seconds, plan.events)
        try:
            outcome = exactness.measure(contestant, plan, job)
        except exactness.DoesNotWork as end:
            print(f"{contestant.name} does not work; its log ends:\n{end}", flush=True)
            continue
        outcomes.append(outcome)
        print(exactness.table([outcome]).splitlines()[-1], flush=True)
        keep("exactness", {**asdict(plan), **asdict(outcome)})
    print(exactness.table(outcomes))


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
