"""Jobs of one broker and one Redis."""

from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers.job import Job
from benchmarks.peers.load import PARTITIONS


@dataclass
class Jobs:
    """Each has a group and a directory of its own."""

    bootstrap: str
    redis_url: str
    folder: Path
    made: int = 0

    def job(self, variant: str, session_timeout_seconds: float, events: int, topic: str | None = None, skipped: int = 0) -> Job:
        """Unless a topic is given, that is its own too."""
        self.made += 1
        group = f"run-{self.made}"
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
            skipped=skipped,
        )
