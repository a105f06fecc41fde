"""Who is raced against: one process that counts page loads, and sums their durations, by page; most in windows of 10 s."""

import json
import subprocess
import time
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.environments import command, environment
from benchmarks.peers.job import Job
from benchmarks.worker import Measured

LIMIT_SECONDS, LOOK_SECONDS = 600, 0.05
SESSION_SECONDS = 45.0  # nobody is killed


class DidNotFinish(Exception):  # noqa: N818 - a finding
    """A racer that ended or hung, and the end of its log."""


@dataclass(frozen=True)
class Racer:
    """A program that reads a topic keyed by `key` from its start. A slow one is given at most `most` events, and a share of
    them is not measured: half where a compiler is at work meanwhile. `ahead` and `cpu_share` are what is asked of us: so many
    times its rate, at most so much of its CPU time."""

    name: str
    peer: str
    variant: str
    ahead: float
    key: str = "session"
    program: str = "speed"
    most: int | None = None
    cpu_share: float | None = None
    unmeasured: float = 0.2

    def events(self, all_of_them: int) -> int:
        return min(all_of_them, self.most or all_of_them)

    def command(self) -> list[str]:
        """Its environment is made where there is none."""
        return command(self.peer, self.program)


RACERS = (
    Racer("aiokafka, bare", "aiokafka_redis", "", 0.65, program="bare"),
    Racer("Faust, no table", "faust_tables", "plain:session", 15, most=150_000),
    Racer("Faust, two tables", "faust_tables", "tables:session", 60, most=30_000),
    Racer("Faust, two tables, keyed by page", "faust_tables", "tables:page", 60, "page", most=30_000),
    Racer("Quix", "quix_streams", "session", 6, most=500_000),
    Racer("Quix, keyed by page", "quix_streams", "page", 4, "page", most=500_000),
    Racer("Bytewax, not durable", "bytewax_window", "", 2),
    Racer("Kafka Streams", "kafka_streams", "at_least_once:session", 1.8, program="PageLoads", cpu_share=0.5, unmeasured=0.5),
    Racer("Kafka Streams, keyed by page", "kafka_streams", "at_least_once:page", 1, "page", "PageLoads", unmeasured=0.5),
)


def measure(racer: Racer, job: Job, servers_seconds: Callable[[], float]) -> Measured:
    """One run. `servers_seconds`: the CPU time of what it reads from and writes to. Raises `DidNotFinish`."""
    log = Path(job.directory, "log")
    with log.open("ab") as output:
        running = subprocess.Popen(racer.command(), env={**environment(), **job.environment()}, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + LIMIT_SECONDS
        taken = [(time.monotonic(), servers_seconds())]
        while not job.report.exists():
            ended = running.poll() is not None
            time.sleep(LOOK_SECONDS)
            taken.append((time.monotonic(), servers_seconds()))
            if time.monotonic() > deadline or (ended and not job.report.exists()):
                raise DidNotFinish(log.read_text(errors="replace")[-2000:])
    finally:
        running.kill()
        running.wait()
    told = json.loads(job.report.read_text())
    events, began, ended = told["events"], told["began"], told["ended"]
    before, after = (taken[min(bisect_left(taken, (when,)), len(taken) - 1)][1] for when in (began, ended))
    return Measured(events / (ended - began), 1e6 * told["cpu_seconds"] / events, 1e6 * (after - before) / events)
