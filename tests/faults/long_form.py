"""One seed of the long form: servers of its own, an order of its own, and what came of it."""

import os
import random
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.monitor import Monitor
from tests.faults.faults import Lengths, Recovery
from tests.faults.run import Plan, every_fault, survive
from tests.faults.site import Site
from tests.services.kafka import KafkaServer
from tests.services.proxy import Proxy
from tests.services.redis import RedisServer

CACHE = Path(__file__).parents[2] / ".cache" / "faults"
STAMPED = ("app-session",)  # one of those that go by arrival; the others tell a story that is faster than our time


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one seed."""

    seed: int
    seconds: float
    recoveries: Sequence[Recovery]
    differences: Sequence[str]


def number(name: str, otherwise: int) -> int:
    return int(os.environ.get(f"XMON_FAULTS_{name}", otherwise))


def plan(rng: random.Random) -> Plan:
    lengths = Lengths(redis_frozen=number("FROZEN_SECONDS", 40), kafka_away=number("AWAY_SECONDS", 180))
    only = [name for name in os.environ.get("XMON_FAULTS_ONLY", "").split(",") if name]
    faults = [tuple(one.strip() for one in name.split("+")) for name in only] or every_fault(rng, number("PAIRS", 4))
    return Plan(faults, number("EVENTS", 300_000), minutes=30, lengths=lengths)


def run(seed: int) -> Outcome:
    """One seed. What goes wrong with the run itself is told like a difference, and the other seeds go on."""
    directory, began = CACHE / f"seed-{seed}", time.monotonic()
    shutil.rmtree(directory, ignore_errors=True)

    def tell(line: str) -> None:
        sys.stdout.write(f"{time.strftime('%H:%M:%S')} seed {seed}: {line}\n")
        sys.stdout.flush()

    recoveries: list[Recovery] = []
    try:
        with site_of_its_own(seed, directory) as site:
            site.start(workers=2, serves=2)
            differences = survive(site, seed, plan(site.rng), tell, recoveries.append)
    except Exception as error:  # noqa: BLE001 - whatever it is
        differences = [f"{type(error).__name__}: {error}"]
    if not differences:
        shutil.rmtree(directory)
    outcome = Outcome(seed, time.monotonic() - began, recoveries, differences)
    tell(f"{outcome.seconds:.0f} s, " + ("nothing differs" if not differences else "\n  ".join(["DIFFERS", *differences])))
    return outcome


@contextmanager
def site_of_its_own(seed: int, directory: Path) -> Iterator[Site]:
    """With servers, and a wire between workers and Redis; all of it ends. Workers of every second seed have names."""
    with (
        KafkaServer(directory / "kafka") as kafka,
        RedisServer(directory / "redis") as redis,
        Proxy(redis.port) as wire,
        closing(Monitor(directory, kafka, redis, f"seed-{seed}")) as monitor,
    ):
        yield Site(monitor, kafka, redis, random.Random(seed), wire=wire, stamped=STAMPED, named=seed % 2 == 0)
