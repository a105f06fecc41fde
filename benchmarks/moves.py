"""How long a partition is away: when its worker leaves, and when its worker is killed. Default settings, all panes open.

Two workers share the partitions, and events come all the time. `left`: from the SIGTERM of the one until something new of each
of its partitions is stored by the other. `moved`: of that, from the instant at which Kafka has given them to it. `killed`: from
the `kill -9` of the one.
"""

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from confluent_kafka import ConsumerGroupState
from confluent_kafka.admin import AdminClient

from benchmarks.arena import Arena, Line, Scale
from benchmarks.events import QUIET, publish, spread
from benchmarks.growth import MEDIUM
from benchmarks.markdown import Target, markdown
from benchmarks.trickle import Trickle
from tests.e2e.monitor import Monitor, Process, eventually

PARTITIONS = 4
HELD_SECONDS = 150.0  # of event time: all panes are open
RATE = 400
LAST_WORDS_SECONDS = 0.3  # what a killed process had sent is stored by then
LOOK_SECONDS = 0.01
PATIENCE_SECONDS = 60.0
MOST_SECONDS = {"moved": 2, "killed": 15}
Positions = Mapping[int, int]  # partition → what is stored


class Site:
    """Workers that share the partitions of a topic."""

    def __init__(self, arena: Arena, monitor: Monitor) -> None:
        self._arena, self._monitor, self._topic = arena, monitor, monitor.topic("page-load")
        self._admin = AdminClient({"bootstrap.servers": arena.kafka.bootstrap, **QUIET})
        self._group, self._prefix = (str(monitor.settings[name]) for name in ("XMON_GROUP_ID", "XMON_REDIS_PREFIX"))
        self.workers = [monitor.start("worker"), monitor.start("worker")]

    def positions(self) -> Positions:
        keys = {number: f"{self._prefix}:{{{self._topic}:{number}}}" for number in range(PARTITIONS)}
        return {number: int(self._arena.client.hget(key, "_next") or 0) for number, key in keys.items()}

    def shares(self) -> list[set[int]]:
        """What each member of the group has been given; nothing while that is not settled."""
        group = self._admin.describe_consumer_groups([self._group])[self._group].result(PATIENCE_SECONDS)
        if group.state != ConsumerGroupState.STABLE:
            return []
        given = [member.assignment.topic_partitions for member in group.members]
        return [{one.partition for one in some if one.topic == self._topic} for some in given]

    def held(self, worker: Process) -> set[int]:
        """What a worker says it holds."""
        start = f'xmon_worker_next_offset{{topic="{self._topic}",partition="'
        lines = worker.get("/metrics").text.splitlines()
        return {int(line.removeprefix(start).partition('"')[0]) for line in lines if line.startswith(start)}

    def settle(self) -> None:
        """Waits until both have a share, and go on with it."""

        def settled() -> None:
            held = [self.held(worker) for worker in self.workers]
            assert sorted(n for some in held for n in some) == list(range(PARTITIONS)), held
            assert all(held), held

        eventually(settled, PATIENCE_SECONDS)
        before = self.positions()
        self._wait_for(set(before), before)

    def left(self) -> tuple[float, float]:
        """Seconds from when a worker was asked to end, and of them from the assignment."""
        leaving, theirs = self._one()
        asked = time.monotonic()
        ending = threading.Thread(target=leaving.stop)
        ending.start()
        _until(
            lambda: self.shares() == [set(range(PARTITIONS))],
            "the worker that stays was not given the partitions of the one that leaves",
        )
        assigned = time.monotonic()
        ending.join()  # what it has applied it may store until then
        stored = self._again(theirs, self.positions())
        return stored - asked, stored - assigned

    def killed(self) -> float:
        """Seconds from the end of a worker."""
        dying, theirs = self._one()
        began = time.monotonic()
        dying.kill9()
        time.sleep(LAST_WORDS_SECONDS)
        return self._again(theirs, self.positions()) - began

    def _one(self) -> tuple[Process, set[int]]:
        worker = self.workers.pop(0)
        return worker, self.held(worker)

    def _again(self, theirs: set[int], before: Positions) -> float:
        """The instant at which something new was stored; then there are two workers again."""
        self._wait_for(theirs, before)
        stored = time.monotonic()
        self.workers.append(self._monitor.start("worker"))
        self.settle()
        return stored

    def _wait_for(self, numbers: set[int], before: Positions) -> None:
        _until(
            lambda: all(now > before[number] for number, now in self.positions().items() if number in numbers),
            f"nothing new is stored of some of {numbers}",
        )


def _until(true: Callable[[], bool], problem: str) -> None:
    """Returns as soon as it is. Raises TimeoutError with the problem."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(problem)
        time.sleep(LOOK_SECONDS)


def lines(arena: Arena, scale: Scale) -> Iterator[Line]:
    """A line for each time."""
    with arena.monitor("moves") as monitor:
        monitor.create_topics(PARTITIONS)
        publish(arena.kafka.bootstrap, monitor.topic_prefix, spread(MEDIUM, scale.held_events, HELD_SECONDS))
        with Trickle(arena.kafka.bootstrap, monitor.topic("page-load"), MEDIUM, RATE):
            site = Site(arena, monitor)
            site.settle()
            for _ in range(scale.moves):
                left, moved = site.left()
                yield from ({"what": "moved", "seconds": moved}, {"what": "left", "seconds": left})
            for _ in range(scale.moves):
                yield {"what": "killed", "seconds": site.killed()}


_NAMES = {
    "moved": "a partition of 500 series works again after its assignment",
    "left": "the same, since its worker was asked to end",
    "killed": "a worker that was killed is replaced by another that runs",
}


def table(found: Sequence[Line]) -> str:
    rows = []
    for what, name in _NAMES.items():
        seconds = [line["seconds"] for line in found if line["what"] == what]
        rows.append([name, f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}", str(len(seconds))])
    return markdown(["seconds", "median", "worst", "times"], rows)


def targets(found: Sequence[Line]) -> Iterator[Target]:
    for what, most in MOST_SECONDS.items():
        worst = max(line["seconds"] for line in found if line["what"] == what)
        yield Target(f"{_NAMES[what]}, worst", worst, most, " s")
