"""`xmon topics reset`: says what it will do, asks, and does that and no more."""

import json
from collections.abc import Iterator
from subprocess import CompletedProcess

import pytest
from confluent_kafka import Producer
from redis import Redis

from streams.state.keys import Keys, PartitionId
from streams.status import PartitionStatus, WorkerStatus
from streams.windows.position import offset_of
from tests.monitor.test_cli import NOWHERE, failed, xmon
from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer

pytestmark = pytest.mark.kafka


class Reset:
    """A topic of two partitions with five records each, and what is stored of an earlier one of the same name."""

    def __init__(self, kafka: KafkaServer, redis: RedisServer, topic_prefix: str, redis_prefix: str) -> None:
        self.settings = {
            "kafka_bootstrap_servers": kafka.bootstrap,
            "redis_url": redis.url,
            "redis_prefix": redis_prefix,
            "topic_prefix": topic_prefix,
        }
        self.topic, self.keys, self.redis = f"{topic_prefix}page-load", Keys(redis_prefix), Redis.from_url(redis.url)
        assert xmon("topics", "create", "--partitions", "2", **self.settings).returncode == 0
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        for number in range(10):
            producer.produce(self.topic, b"{}", partition=number % 2)
        assert producer.flush(30) == 0
        for number in range(2):
            self.store(number, 100, "the old one")

    def store(self, number: int, position: int, log: str) -> None:
        partition = PartitionId(self.topic, number)
        self.redis.hset(self.keys.partition(partition), mapping={"_next": position, "_log": log, "l:0": "totals"})
        self.redis.sadd(self.keys.partitions, str(partition))

    def stored(self) -> list[int]:
        """Where each partition goes on."""
        keys = [self.keys.partition(PartitionId(self.topic, n)) for n in range(2)]
        return [offset_of(int(self.redis.hget(key, "_next") or -1)) for key in keys]  # type: ignore[arg-type]

    def announce(self, problem: str) -> None:
        counted = {"next": 100, "lag": 0, "age_seconds": 0, "checkpoint_seconds": 0, "checkpoint_bytes": 0}
        status = PartitionStatus(topic=self.topic, number=1, problem=problem, **counted)
        self.redis.sadd(self.keys.workers, "w1")
        self.redis.set(self.keys.worker("w1"), WorkerStatus("w1", "1", 1, (status,)).encode(), ex=60)

    def __call__(self, *words: str, given: str = "", **settings: object) -> CompletedProcess[str]:
        return xmon("topics", "reset", *words, given=given, **{**self.settings, **settings})


@pytest.fixture
def reset(kafka: KafkaServer, redis_server: RedisServer, topic_prefix: str, redis_prefix: str) -> Iterator[Reset]:
    made = Reset(kafka, redis_server, topic_prefix, redis_prefix)
    yield made
    made.redis.close()


def test_it_says_what_it_will_do_and_asks(reset: Reset) -> None:
    """A no changes nothing; a yes moves where to go on, and keeps what was counted."""
    no = reset("page-load", given="n\n")
    assert (no.returncode, reset.stored()) == (1, [100, 100]), no.stderr
    assert f"{reset.topic}:1: counted up to offset 100, goes on at 0" in no.stdout
    assert "What has been counted stays." in no.stderr
    yes = reset("page-load", given="y\n")
    assert (yes.returncode, reset.stored()) == (0, [0, 0]), yes.stderr
    fields = reset.redis.hgetall(reset.keys.partition(PartitionId(reset.topic, 0)))
    assert (fields[b"l:0"], len(fields[b"_log"])) == (b"totals", 22)  # type: ignore[index]


def test_a_script_neither_answers_nor_repeats_in_vain(reset: Reset) -> None:
    """--yes asks nothing, --json tells what was moved, and a second time there is nothing to do."""
    done = reset(reset.topic, "--partition", "1", "--yes", "--json")
    assert json.loads(done.stdout) == [{"partition": f"{reset.topic}:1", "from": 100, "to": 0}], done.stderr
    assert reset.stored() == [100, 0]
    again = reset(reset.topic, "--partition", "1", "--yes")
    assert (again.returncode, reset.stored()) == (0, [100, 0])
    assert "nothing to do" in again.stdout


def test_a_worker_at_work_is_not_disturbed(reset: Reset) -> None:
    """A partition that is being counted is refused by name; one that stands still is what the command is for."""
    reset.announce("")
    failed(reset("page-load", "--yes"), 2, f"{reset.topic}:1 is counted by w1", "XMON_KAFKA_BOOTSTRAP_SERVERS")
    assert reset.stored() == [100, 100]
    reset.announce("the topic was created anew")
    assert reset("page-load", "--yes").returncode == 0
    assert reset.stored() == [0, 0]


def test_a_partition_that_kafka_no_longer_has_is_named(reset: Reset) -> None:
    """A topic that came back smaller leaves figures incomplete until it is as large as it was."""
    reset.store(2, 100, "the old one")
    done = reset("page-load", "--yes")
    assert f"{reset.topic}:2: Kafka no longer has it" in done.stderr
    assert (done.returncode, reset.stored()) == (0, [0, 0])


def test_what_cannot_be_done_is_one_line(reset: Reset) -> None:
    """No such topic, nothing stored, no Kafka, no Redis: each with the exit code of its kind."""
    failed(reset("page-lod", "--yes"), 2, "Kafka has no topic page-lod")
    failed(reset("contact", "--yes"), 2, "nothing of that is stored", "XMON_REDIS_PREFIX")
    failed(reset("page-load", "--yes", "--partition", "7"), 2, "nothing of that is stored")
    failed(reset("page-load", "--yes", kafka_bootstrap_servers=NOWHERE), 3, NOWHERE)
    failed(reset("page-load", "--yes", redis_url=f"redis://{NOWHERE}"), 4, NOWHERE)
    assert reset.stored() == [100, 100]
