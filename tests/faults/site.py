"""Real `xmon` processes on a real Kafka and a real Redis: what runs, and how far it has come."""

import itertools
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from signal import SIGKILL
from threading import Lock
from typing import Any

import httpx
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from redis import Redis
from redis.exceptions import RedisError

from streams.windows.position import offset_of
from tests.e2e.monitor import Monitor, Process, eventually
from tests.faults.generator import FAMILIES
from tests.faults.log import Log, create_topics
from tests.services.kafka import KafkaServer
from tests.services.proxy import Proxy
from tests.services.redis import RedisServer
from tests.services.service import HOST

PARTITIONS = 3
KEY = "a secret for pseudonyms"
CATCH_UP_SECONDS = 300.0  # longer than the watchdogs of a worker wait
OVERTAKEN_SECONDS = 120.0  # from the middle of a frozen worker's session until another has written for it
LOOK_SECONDS = 0.1
NAME = "XMON_KAFKA_GROUP_INSTANCE_ID"
Place = tuple[str, int]  # family, partition


@dataclass
class Site:
    """`partitions` of each topic, or by the name of its family; `wire`: what workers reach Redis through; `stamped`: families
    whose topics have the broker's time; `named`: each worker is a static member of the group.
    """

    monitor: Monitor
    kafka: KafkaServer
    redis: RedisServer
    rng: random.Random
    partitions: int | Mapping[str, int] = PARTITIONS
    families: Sequence[str] = FAMILIES
    wire: Proxy | None = None
    stamped: Sequence[str] = ()
    named: bool = False
    workers: list[Process] = field(default_factory=list)
    serves: list[Process] = field(default_factory=list)
    ended: Counter[int] = field(default_factory=Counter)  # exit codes of workers that ended by themselves, or badly when asked

    def __post_init__(self) -> None:
        self.monitor.settings["XMON_PSEUDONYM_KEY"] = KEY
        self.log = Log(self.kafka.bootstrap)
        self.http = httpx.Client(timeout=30)
        self.client = Redis.from_url(self.redis.url, socket_timeout=2)
        given = self.partitions if isinstance(self.partitions, Mapping) else dict.fromkeys(self.families, self.partitions)
        self.width = {"dead-letter": PARTITIONS} | dict(given)  # family → how many partitions its topic has
        topics = (*self.families, "dead-letter")
        create_topics(self.kafka.bootstrap, {self.monitor.topic(name): self.width[name] for name in topics})
        stamp_on_arrival(self.kafka.bootstrap, [self.monitor.topic(name) for name in self.stamped])
        self._names = itertools.count(1)
        self._struck: set[Process] = set()
        self._choosing, self._reviving = Lock(), Lock()

    @property
    def serve(self) -> Process:
        return self.serves[0]

    def start(self, workers: int, serves: int = 1) -> None:
        """All at the same time."""
        self.serves += [self.monitor.process("serve", XMON_EXPOSED_WINDOWS="none") for _ in range(serves)]
        self.workers += [self._worker() for _ in range(workers)]
        with ThreadPoolExecutor() as together:
            list(together.map(Process.start, [*self.serves, *self.workers]))

    def join(self) -> Process:
        """One worker more."""
        worker = self._worker().start()
        self.workers.append(worker)
        return worker

    def stop(self, worker: Process) -> None:
        """SIGTERM: whoever is asked to end should end well. One that took too long was killed by us."""
        process = worker._process
        worker.stop()
        if process is not None and process.returncode not in (0, -SIGKILL):
            self.ended[process.returncode] += 1

    def revive(self) -> None:
        """What ended is started again under its name, as every supervisor does; but not what a fault is busy with."""
        with self._reviving:
            for worker in [worker for worker in self.workers if worker not in self._struck and not worker.lives()]:
                if worker._process is not None:
                    self.ended[worker._process.returncode] += 1
                    worker.kill9()
                again = self._worker(name=worker.settings.get(NAME)).start()
                self.workers[self.workers.index(worker)] = again

    @contextmanager
    def victim(self) -> Iterator[Process]:
        """A worker that no other fault is busy with; one joins where there is none."""
        with self._choosing:
            worker = self.rng.choice(self.at_rest() or [self.join()])
            self._struck.add(worker)
        try:
            yield worker
        finally:
            self._struck.discard(worker)

    def at_rest(self) -> list[Process]:
        """Workers that live, and no fault is busy with."""
        return [worker for worker in self.workers if worker not in self._struck and worker.lives()]

    def _worker(self, name: object = None) -> Process:
        settings: dict[str, object] = {"XMON_REDIS_URL": f"redis://{HOST}:{self.wire.port}"} if self.wire else {}
        if self.named:
            settings[NAME] = name or f"worker-{next(self._names)}"
        return self.monitor.process("worker", **settings)

    # -- looking

    def places(self) -> Iterator[Place]:
        return ((family, partition) for family in self.families for partition in range(self.width[family]))

    def topic(self, place: Place) -> Place:
        return self.monitor.topic(place[0]), place[1]

    def key(self, place: Place) -> str:
        """Of the partition's hash."""
        return f"{self.monitor.settings['XMON_REDIS_PREFIX']}:{{{self.monitor.topic(place[0])}:{place[1]}}}"

    def ends(self) -> dict[Place, int]:
        """The offset after the last record that counts."""
        ends = self.log.ends(self.topic(place) for place in self.places())
        return {place: ends[self.topic(place)] for place in self.places()}

    def stored(self, place: Place) -> int:
        """The next offset by Redis: 0 for none, -1 for no Redis."""
        try:
            return offset_of(int(self.client.hget(self.key(place), "_next") or 0))  # type: ignore[arg-type]
        except RedisError:
            return -1

    def catch_up(self, ends: Mapping[Place, int] | None = None) -> None:
        """Waits until Redis has all that the log holds, now or up to these ends."""
        self._wait(
            self.ends() if ends is None else ends, "stored", lambda: {place: self.stored(place) for place in self.places()}
        )

    def appear(self, ends: Mapping[Place, int]) -> None:
        """Waits until every `serve` has read all up to these ends."""
        for serve in self.serves:
            self._wait(ends, f"shown by {serve.directory.name}", partial(self._shown, serve))

    def settle(self) -> None:
        """Waits until each worker that runs holds partitions, and all are held once."""
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while sum(held := [self._held(worker) for worker in self.workers]) != len(list(self.places())) or 0 in held:
            assert time.monotonic() < deadline, f"partitions held by each worker: {held}"
            self.revive()
            time.sleep(LOOK_SECONDS)

    def holding(self, worker: Process) -> list[Place]:
        """The partitions that a worker says it holds, once there are any."""
        by_topic = {self.topic(place): place for place in self.places()}

        def held() -> list[Place]:
            found = worker.scrape().by("xmon_worker_lag_records", "topic", "partition")
            assert found, f"{worker.directory.name} holds no partition"
            return [by_topic[topic, int(number)] for topic, number in found]

        return eventually(held, CATCH_UP_SECONDS)

    def overtaken(self, places: Sequence[Place]) -> None:
        """Waits until somebody writes beyond what is stored now in most of these partitions: one may have nothing new."""

        def known() -> dict[Place, int]:
            stored = {place: self.stored(place) for place in places}
            assert -1 not in stored.values(), "Redis does not answer"
            return stored

        stored = eventually(known, OVERTAKEN_SECONDS)

        def most() -> None:
            beyond = [place for place, offset in stored.items() if self.stored(place) > offset]
            assert 2 * len(beyond) > len(stored), f"nobody takes over {stored}"

        eventually(most, OVERTAKEN_SECONDS)

    def _wait(self, ends: Mapping[Place, int], what: str, look: Callable[[], Mapping[Place, int]]) -> None:
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while True:
            found = look()
            behind = {place: (found.get(place, -1), end) for place, end in ends.items() if found.get(place, -1) < end}
            if not behind:
                return
            assert time.monotonic() < deadline, f"after {CATCH_UP_SECONDS:.0f} s not all is {what} ({what}, end): {behind}"
            self.revive()
            time.sleep(LOOK_SECONDS)

    def _shown(self, serve: Process) -> dict[Place, int]:
        try:
            said = self.ask(serve, "/api/v1/health")["partitions"]
        except httpx.TransportError:
            return {}
        offsets = {one["partition"]: one["next_offset"] for one in said}
        return {place: offsets.get("{}:{}".format(*self.topic(place)), 0) for place in self.places()}

    def _held(self, worker: Process) -> int:
        """How many partitions a worker says it holds."""
        try:
            lines = self.http.get(f"{worker.url}/metrics").text.splitlines()
        except httpx.TransportError:
            return 0
        return next(int(float(line.split()[1])) for line in lines if line.startswith("xmon_worker_held_partitions "))

    def ask(self, process: Process, path: str, **parameters: object) -> Any:
        """A good answer of the API."""
        answer = self.http.get(f"{process.url}{path}", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()


def stamp_on_arrival(bootstrap: str, topics: Sequence[str]) -> None:
    """The broker's time in place of the producers', as in the topics that `xmon topics create` makes."""
    entry = ConfigEntry("message.timestamp.type", "LogAppendTime", incremental_operation=AlterConfigOpType.SET)
    resources = [ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[entry]) for topic in topics]
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    for done in admin.incremental_alter_configs(resources).values() if resources else ():
        done.result(30)
