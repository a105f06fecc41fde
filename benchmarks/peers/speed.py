"""How fast each contestant counts page loads, and sums their durations, by page in windows of 10 s: one process, one thread."""

import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.environments import command, environment
from benchmarks.peers.job import Job
from benchmarks.throughput import Measured

LIMIT_SECONDS = 600


class DidNotFinish(Exception):  # noqa: N818 - a finding
    """A racer that ended or hung, and the end of its log."""


@dataclass(frozen=True)
class Racer:
    """A program that reads a topic keyed by `key` from its start. `most` are the events a slow one is measured on."""

    name: str
    peer: str
    variant: str
    key: str = "session"
    program: str = "speed"
    most: int = 10_000_000

    def command(self) -> list[str]:
        return command(self.peer, self.program)


RACERS = {
    racer.name: racer
    for racer in (
        Racer("Faust, no table", "faust_tables", "plain:session", most=200_000),
        Racer("Faust, two tables", "faust_tables", "tables:session", most=50_000),
        Racer("Faust, two tables, keyed by page", "faust_tables", "tables:page", "page", most=50_000),
        Racer("Quix", "quix_streams", "session"),
        Racer("Quix, keyed by page", "quix_streams", "page", "page"),
        Racer("Bytewax, not durable", "bytewax_window", ""),
        Racer("Kafka Streams", "kafka_streams", "at_least_once:session", program="PageLoads"),
        Racer("Kafka Streams, keyed by page", "kafka_streams", "at_least_once:page", "page", "PageLoads"),
    )
}


def measure(racer: Racer, job: Job) -> Measured:
    """One run; the first fifth of the events is not measured. Raises `DidNotFinish`."""
    log = Path(job.directory, "log")
    with log.open("ab") as output:
        running = subprocess.Popen(racer.command(), env={**environment(), **job.environment()}, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + LIMIT_SECONDS
        while not job.report.exists():
            ended = running.poll() is not None
            time.sleep(0.1)
            if time.monotonic() > deadline or (ended and not job.report.exists()):
                raise DidNotFinish(log.read_text(errors="replace")[-2000:])
    finally:
        running.kill()
        running.wait()
    return Measured(**json.loads(job.report.read_text()))
