"""Who counts through the kills: how each is run, and where its counts are."""

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from benchmarks.peers import load
from benchmarks.peers.counts import Counts, RedisHash, Xmon, faust_table, windows, xmon_settings
from benchmarks.peers.environments import command, environment
from benchmarks.peers.job import Job
from tests.e2e.monitor import XMON

PEER_SESSION_SECONDS, XMON_SESSION_SECONDS = 6.0, 10.0


@dataclass(frozen=True)
class Contestant:
    """A program that counts page loads by page. `peer` is a folder, and `variant` what its program is told."""

    name: str
    peer: str = ""
    variant: str = ""
    counts: Callable[[Job], Counts] = RedisHash
    key: str = "session"  # of the topic
    program: str = "count"
    session_timeout_seconds: float = PEER_SESSION_SECONDS

    def prepare(self, job: Job) -> None:
        load.create(job.bootstrap, job.topic, f"{job.group}-counts")
        self.command()  # installed before the clock runs

    def command(self) -> list[str]:
        return command(self.peer, self.program)

    def environment(self, job: Job) -> dict[str, str]:
        return {**environment(), **job.environment()}


@dataclass(frozen=True)
class Ours(Contestant):
    """`xmon worker` as it is installed."""

    settings: Mapping[str, str] = field(default_factory=dict)

    def prepare(self, job: Job) -> None:
        create = [str(XMON), "topics", "create", "--partitions", str(job.partitions)]
        subprocess.run(create, env=self.environment(job), check=True, capture_output=True)

    def command(self) -> list[str]:
        return [str(XMON), "worker"]

    def environment(self, job: Job) -> dict[str, str]:
        settings = {name: str(value) for name, value in xmon_settings(job).items()}
        return {**environment(), **settings, **self.settings}


STATIC = {"XMON_KAFKA_GROUP_INSTANCE_ID": "worker-1"}
CONTESTANTS = {
    contestant.name: contestant
    for contestant in (
        Contestant("aiokafka, auto-commit", "aiokafka_redis", "auto-commit", RedisHash),
        Contestant("aiokafka, manual commit", "aiokafka_redis", "manual-commit", RedisHash),
        Contestant("Faust table", "faust_tables", "at_least_once:plain:session:rocksdb", faust_table),
        Contestant("Faust window", "faust_tables", "at_least_once:window:session:rocksdb", faust_table),
        Contestant("Faust window, keyed by page", "faust_tables", "at_least_once:window:page:rocksdb", faust_table, "page"),
        Contestant("Faust table, exactly_once", "faust_tables", "exactly_once:plain:session:rocksdb", faust_table),
        Contestant("Faust table in memory, exactly_once", "faust_tables", "exactly_once:plain:session:memory", faust_table),
        Contestant("Faust window, exactly_once", "faust_tables", "exactly_once:window:session:rocksdb", faust_table),
        Contestant("Quix", "quix_streams", "at-least-once:session", windows),
        Contestant("Quix, keyed by page", "quix_streams", "at-least-once:page", windows, "page"),
        Contestant("Quix, exactly-once", "quix_streams", "exactly-once:session", windows),
        Contestant("Quix, exactly-once, fenced", "quix_streams", "fenced:session", windows),
        Contestant("Kafka Streams", "kafka_streams", "at_least_once:session", windows, program="PageLoads"),
        Contestant("Kafka Streams, exactly once", "kafka_streams", "exactly_once_v2:session", windows, program="PageLoads"),
        Ours("xmon", counts=Xmon, session_timeout_seconds=XMON_SESSION_SECONDS),
        Ours("xmon, static member", counts=Xmon, session_timeout_seconds=XMON_SESSION_SECONDS, settings=STATIC),
    )
}
