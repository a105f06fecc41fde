"""What a peer's program is told, and how it says how fast it was. Standard library only: every environment imports it."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

VARIABLE = "JOB"


@dataclass(frozen=True)
class Job:
    """One run of one program."""

    bootstrap: str
    redis_url: str
    topic: str
    partitions: int
    group: str  # consumer group; also what state and results are named by
    variant: str
    directory: str  # for local state; there from start to start
    session_timeout_seconds: float
    events: int
    skipped: int  # of them, the first, which are not measured

    @classmethod
    def given(cls) -> Self:
        """The job in the environment."""
        return cls(**json.loads(os.environ[VARIABLE]))

    def environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(asdict(self))}

    @property
    def report(self) -> Path:
        """Where a `Meter` leaves what it measured."""
        return Path(self.directory, "measured.json")


class Meter:
    """Counts events as they are aggregated; when the last was counted it writes how many were measured, when that began and
    ended by the clock that all processes of a machine share, and the CPU time it took."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._seen = self._skipped = 0
        self._next = job.skipped
        self._began = self._cpu = 0.0

    def count(self, events: int = 1) -> None:
        """One more event, or so many."""
        self._seen += events
        if self._seen >= self._next:
            self._mark()

    def _mark(self) -> None:
        now, cpu, measured = time.monotonic(), time.process_time(), self._seen - self._skipped
        if self._seen < self._job.events:
            self._skipped, self._began, self._cpu, self._next = self._seen, now, cpu, self._job.events
        elif not self._job.report.exists():
            result = {"events": measured, "began": self._began, "ended": now, "cpu_seconds": cpu - self._cpu}
            unfinished = self._job.report.with_suffix(".part")
            unfinished.write_text(json.dumps(result))
            unfinished.rename(self._job.report)
