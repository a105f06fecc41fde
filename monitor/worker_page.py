"""A worker's own condition over HTTP, for those who watch machines: `/healthz` and a few lines of `/metrics`.

Figures are not here but at `serve`, which adds up all partitions.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from streams.status import PartitionStatus, WorkerStatus, decode_status

_GAUGES = (  # field of PartitionStatus, metric, meaning
    ("lag", "xmon_worker_lag_records", "Records of a partition that this worker has not applied yet, taken or not."),
    ("next", "xmon_worker_next_offset", "Offset of the next record to apply."),
    ("checkpoint_seconds", "xmon_worker_checkpoint_seconds", "How long the last checkpoint took."),
    ("checkpoint_bytes", "xmon_worker_checkpoint_bytes", "Size of the last checkpoint."),
)


class WorkerBoard(Protocol):
    """Where workers say how they are."""

    async def announce(self, worker: str, status: bytes, ttl_seconds: float) -> None: ...


@dataclass(slots=True)
class Overheard:
    """A board that remembers what was last said on it."""

    board: WorkerBoard
    status: WorkerStatus | None = field(default=None, init=False)

    async def announce(self, worker: str, status: bytes, ttl_seconds: float) -> None:
        self.status = decode_status(status)
        await self.board.announce(worker, status, ttl_seconds)


def create_worker_app(overheard: Overheard, store_healthy: Callable[[], bool]) -> Starlette:
    """Returns the application."""

    async def healthz(_: Request) -> JSONResponse:
        """200 while the process lives; what ails it is in the body, and mended elsewhere."""
        partitions = overheard.status.partitions if overheard.status else ()
        problems = [f"{p.topic}:{p.number}: {p.problem}" for p in partitions if p.problem]
        return JSONResponse({"joined": overheard.status is not None, "store": store_healthy(), "problems": problems})

    async def metrics(_: Request) -> PlainTextResponse:
        lines = _lines(overheard.status, up=store_healthy())
        return PlainTextResponse("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4")

    return Starlette(routes=[Route("/healthz", healthz), Route("/metrics", metrics)])


def _lines(status: WorkerStatus | None, *, up: bool) -> Iterator[str]:
    partitions = status.partitions if status else ()
    yield from _metric("xmon_worker_store_up", "gauge", "1 while the store answers this worker.", [("", float(up))])
    yield from _metric("xmon_worker_held_partitions", "gauge", "Partitions it holds.", [("", float(len(partitions)))])
    cpu = [("", time.process_time())]
    yield from _metric("process_cpu_seconds_total", "counter", "CPU time of the process.", cpu)
    for name, metric, meaning in _GAUGES:
        known = [(_labels(p), float(getattr(p, name))) for p in partitions if getattr(p, name) is not None]
        yield from _metric(metric, "gauge", meaning, known)


def _metric(name: str, kind: str, meaning: str, samples: list[tuple[str, float]]) -> Iterator[str]:
    yield f"# HELP {name} {meaning}"
    yield f"# TYPE {name} {kind}"
    for labels, value in samples:
        yield f"{name}{labels} {value!r}"


def _labels(partition: PartitionStatus) -> str:
    return f'{{topic="{partition.topic}",partition="{partition.number}"}}'
