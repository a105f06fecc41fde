"""Real workers over what topics hold: how fast, at what price, and how much memory they take."""

import json
import socket
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from benchmarks.arena import Arena
from benchmarks.machine import cpu_seconds
from streams.status import decode_status
from streams.windows.position import offset_of
from tests.e2e.monitor import Monitor, Process

LIMIT_SECONDS = 300
LOOK_SECONDS = 0.03
WARM_UP = 5  # the first fifth of the events is not measured, as with the peers
FEW_EVENTS = 100_000  # over before a worker has said a word or two: a try, which may be measured from its start
Place = tuple[str, int]  # family, partition


@dataclass(frozen=True, slots=True)
class Measured:
    """One run."""

    rate: float  # events a second
    cpu_us: float  # an event, of all processes together
    servers_us: float  # an event, of Kafka and Redis


class Unseen(Exception):  # noqa: N818 - a finding
    """A worker has not told twice where it was while it had work: more events are needed, or a better share of them."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a worker has applied when it says so, once a second, and what that took."""

    sequence: int
    places: frozenset[str]
    applied: int
    seconds: float
    cpu_seconds: float
    servers_seconds: float


class Workers:
    """Of a monitor: a context in which they run."""

    def __init__(self, arena: Arena, monitor: Monitor, places: Sequence[Place], workers: int = 1, **settings: object) -> None:
        self._prefix = {**monitor.settings, **settings}["XMON_REDIS_PREFIX"]
        self._arena, self._client = arena, arena.client
        self._keys = [f"{self._prefix}:{{{monitor.topic(family)}:{number}}}" for family, number in places]
        self._processes = [monitor.process("worker", **settings) for _ in range(workers)]
        self._looks: dict[Process, list[Look]] = defaultdict(list)

    def __enter__(self) -> Self:
        with ThreadPoolExecutor() as together:
            list(together.map(Process.start, self._processes))
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.stop()

    def count(self, events: int) -> Measured:
        """Returns when so many are stored. Raises TimeoutError, RuntimeError where a worker ends, and `Unseen`."""
        began = time.monotonic()
        while (stored := self._stored()) < events:
            if time.monotonic() > began + LIMIT_SECONDS:
                raise TimeoutError(f"{stored:,} of {events:,} events are stored")
            for process in self._processes:
                if not process.lives():
                    raise RuntimeError(f"a worker has ended; its log ends:\n{process.log.read_text(errors='replace')[-2000:]}")
                self._look(process)
            time.sleep(LOOK_SECONDS)
        busy = [working(looks, events // len(self._processes)) for looks in self._looks.values()]
        if len(busy) == len(self._processes) and (found := measured(busy)):
            return found
        if events > FEW_EVENTS:
            raise Unseen
        cpu = sum(cpu_seconds(process.pid) for process in self._processes)
        return Measured(events / (time.monotonic() - began), 1e6 * cpu / events, 0.0)

    def uncounted(self) -> dict[str, int]:
        """How many events of what is stored were refused, late, or taken for repeated."""
        found: Counter[str] = Counter()
        for key in self._keys:
            found.update(json.loads(self._client.hget(key, "_meta") or "{}").get("counts", {}))
        return {name: n for name, n in found.items() if n and name.startswith(("dead_letters", "late", "duplicates"))}

    def peak_bytes(self) -> int:
        """The most memory that one of them had at any time."""
        return max(1024 * int(_status(process.pid, "VmHWM")) for process in self._processes)

    def _stored(self) -> int:
        pipeline = self._client.pipeline(transaction=False)
        for key in self._keys:
            pipeline.hget(key, "_next")
        return sum(offset_of(int(position or 0)) for position in pipeline.execute())

    def _look(self, process: Process) -> None:
        said = self._client.get(f"{self._prefix}:{{workers}}:{socket.gethostname()}-{process.pid}")
        looks = self._looks[process]
        if said and (status := decode_status(said)).partitions and (not looks or status.sequence > looks[-1].sequence):
            places = frozenset(f"{one.topic}:{one.number}" for one in status.partitions)
            applied = sum(max(one.next, 0) for one in status.partitions)
            taken = time.monotonic(), cpu_seconds(process.pid), self._arena.servers_seconds()
            looks.append(Look(status.sequence, places, applied, *taken))


def working(looks: Sequence[Look], events: int) -> list[Look]:
    """Those between which a worker had work all the time, on the partitions that it had in the end."""
    if not looks:
        return []
    last = looks[-1]
    most = min(events, last.applied)  # where partitions are not even it has had less than its share
    return [look for look in looks if look.places == last.places and events / WARM_UP <= look.applied < most]


def measured(busy: Sequence[Sequence[Look]]) -> Measured | None:
    """Of workers side by side, while all of them had work; None where that was no time."""
    if not all(busy):
        return None
    began, ended = max(looks[0].seconds for looks in busy), min(looks[-1].seconds for looks in busy)
    if began >= ended:
        return None

    def grown(looks: Sequence[Look], what: str) -> float:
        at, values = [look.seconds for look in looks], [getattr(look, what) for look in looks]
        return float(np.interp(ended, at, values) - np.interp(began, at, values))

    applied, cpu = (sum(grown(looks, what) for looks in busy) for what in ("applied", "cpu_seconds"))
    if not applied:
        return None
    servers = grown(busy[0], "servers_seconds")
    return Measured(applied / (ended - began), 1e6 * cpu / applied, 1e6 * servers / applied)


def _status(pid: int, name: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))
