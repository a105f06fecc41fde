"""Counting while being killed: what each contestant counts twice or loses, and how long it is away."""

import random
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition

from benchmarks.events import QUIET
from benchmarks.peers.contestants import Contestant
from benchmarks.peers.counts import Counts
from benchmarks.peers.job import Job
from benchmarks.peers.load import Stream

POLL_SECONDS = 0.05
LAST_WORDS_SECONDS = 0.3  # what a killed process had sent is written by then, and no new one is back so soon
BACK_SECONDS = 120.0  # longer away counts as never
QUIET_SECONDS = 20.0  # without progress: it has counted what it will
HEAD = 1000  # events that show that it works, before the clock runs


@dataclass(frozen=True)
class Plan:
    """The same for everyone."""

    events: int
    rate: float  # events a second
    kills: int
    seed: int

    def instants(self) -> list[float]:
        """Seconds since the stream began: a random one in each of so many equal parts of it."""
        rng, part = random.Random(self.seed), (self.events - HEAD) / self.rate / self.kills
        return [part * (number + rng.uniform(0, 0.9)) for number in range(self.kills)]


@dataclass
class Outcome:
    """What became of one contestant."""

    name: str
    events: int
    session_timeout_seconds: float
    back_seconds: list[float | None] = field(default_factory=list)  # from each restart; None: never
    kills_while_published: int = 0
    ended: int = 0  # times it ended by itself, and was restarted
    twice: int = 0
    missing: int = 0
    unread: int = 0  # of those missing, events its group has not committed; 0 where it does not commit


class DoesNotWork(Exception):  # noqa: N818 - a finding
    """A contestant that counted nothing, and the end of its log."""


class Supervised:
    """A process that is restarted at once, whoever ended it."""

    def __init__(self, contestant: Contestant, job: Job) -> None:
        self._command, self._environment = contestant.command(), contestant.environment(job)
        self._log = Path(job.directory, "log")
        self.ended = 0
        self._start()

    def kill9_and_restart(self) -> None:
        self._process.kill()
        self._process.wait()
        self._start()

    def tend(self) -> None:
        """Starts it again if it has ended."""
        if self._process.poll() is not None:
            self.ended += 1
            self._start()

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2000:]

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, env=self._environment, stdout=log, stderr=log)


def measure(contestant: Contestant, plan: Plan, job: Job) -> Outcome:
    """Counts one stream. The job's directory and topic must be new. Raises `DoesNotWork`."""
    contestant.prepare(job)
    outcome = Outcome(contestant.name, plan.events, job.session_timeout_seconds)
    counts = contestant.counts(job)
    stream = Stream(job.bootstrap, job.topic, contestant.key, plan.events, plan.rate)
    stream.head(HEAD)
    running = Supervised(contestant, job)
    try:
        if _grown(counts, 0, running) is None:
            raise DoesNotWork(running.last_words())
        stream.start()
        _kill(plan, stream, running, counts, outcome)
        stream.join()
        _settle(counts, running)
    finally:
        running.stop()
    outcome.ended = running.ended
    outcome.twice, outcome.missing = compare(stream.pages, counts.totals())
    outcome.unread = min(_unread(job), outcome.missing)
    return outcome


def _kill(plan: Plan, stream: Stream, running: Supervised, counts: Counts, outcome: Outcome) -> None:
    """Kills at each instant, or as soon afterwards as the process works again."""
    began = time.monotonic()
    for instant in plan.instants():
        while time.monotonic() < began + instant:
            running.tend()
            time.sleep(POLL_SECONDS)
        outcome.kills_while_published += stream.running
        running.kill9_and_restart()
        restarted = time.monotonic()
        time.sleep(LAST_WORDS_SECONDS)
        back = _grown(counts, counts.progress(), running)
        outcome.back_seconds.append(back and back - restarted)


def _grown(counts: Counts, before: int, running: Supervised) -> float | None:
    """When progress was first seen; None: not in time."""
    deadline = time.monotonic() + BACK_SECONDS
    while time.monotonic() < deadline:
        if counts.progress() > before:
            return time.monotonic()
        running.tend()
        time.sleep(POLL_SECONDS)
    return None


def _settle(counts: Counts, running: Supervised) -> None:
    seen, since = -1, time.monotonic()
    while time.monotonic() < since + QUIET_SECONDS:
        if (now := counts.progress()) != seen:
            seen, since = now, time.monotonic()
        running.tend()
        time.sleep(POLL_SECONDS)


def compare(published: Counter[str], counted: Counter[str]) -> tuple[int, int]:
    """What is counted and was not published, and what was published and is not counted."""
    return (counted - published).total(), (published - counted).total()


def _unread(job: Job) -> int:
    """Events of the topic beyond the group's committed offsets."""
    consumer = Consumer({**QUIET, "bootstrap.servers": job.bootstrap, "group.id": job.group})
    partitions = [TopicPartition(job.topic, partition) for partition in range(job.partitions)]
    ends = [consumer.get_watermark_offsets(partition)[1] for partition in partitions]
    committed = [max(0, partition.offset) for partition in consumer.committed(partitions)]
    return sum(ends) - sum(committed) if any(committed) else 0


def table(outcomes: Sequence[Outcome]) -> str:
    """One line a contestant. `kills`: those that came while events were published, of all."""
    heading = f"{'':36} {'counted twice':>13} {'lost':>8} {'unread':>8} {'ended':>6} {'kills':>6}"
    lines = [f"{heading}   back after, s (session timeout)"]
    for o in outcomes:
        back = " ".join("never" if seconds is None else f"{seconds:.1f}" for seconds in o.back_seconds)
        kills = f"{o.kills_while_published}/{len(o.back_seconds)}"
        figures = f"{o.twice:13,} {o.missing - o.unread:8,} {o.unread:8,} {o.ended:6} {kills:>6}"
        lines.append(f"{o.name:36} {figures}   {back} ({o.session_timeout_seconds:.0f})")
    return "\n".join(lines)
