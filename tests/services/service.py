"""What all servers for tests have in common: start, wait until ready, stop, kill."""

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Self

HOST = "127.0.0.1"
_claims: list[socket.socket] = []
STOP_SECONDS = 15.0


class Missing(Exception):  # noqa: N818 - a state of the machine, not a fault
    """What this machine lacks to run a server, in words for the person who reads the skipped tests."""


class Service(ABC):
    """One server. It may be started again after it ended: with the same data, on the same port."""

    name: ClassVar[str]
    ready_seconds: ClassVar[float] = 60.0  # where a machine has more to do than it has cores

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.log = directory / f"{self.name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """The command that runs the server in the foreground."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether the server answers; OSError counts as no."""

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} is not running"
        return self._process.pid

    def start(self) -> Self:
        """Returns when the server answers; fails with the end of its log when it does not in time."""
        assert self._process is None, f"{self.name} is already running"
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self.command(), cwd=self.directory, stdout=log, stderr=log)
        try:
            self._wait_until_ready()
        except BaseException:
            self.kill9()
            raise
        return self

    def stop(self) -> None:
        """Asks the server to end and waits; kills it when it does not in time. Harmless when it has ended."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self.kill9()

    def kill9(self) -> None:
        """Ends the server at once, as a power cut would end it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(STOP_SECONDS)
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _wait_until_ready(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + self.ready_seconds
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                if self.ready():
                    return
            time.sleep(0.02)
        end = self.log.read_text(errors="replace")[-2000:]
        how = f"did not get ready in {self.ready_seconds:.0f} s" if self._process.poll() is None else "ended"
        raise RuntimeError(f"{self.name} {how}; {self.log} ends:\n{end}")


def free_port() -> int:
    """A port nobody listens on, below the range clients get theirs from: a restart must find it free again.

    It is ours as long as this process lives: who else chooses sees the claim, a UDP socket, before anything listens.
    """
    for port in random.sample(range(20_000, 32_000), 100):
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind((HOST, port))
            with socket.socket() as candidate:
                candidate.bind((HOST, port))
        except OSError:
            claim.close()
        else:
            _claims.append(claim)
            return port
    raise RuntimeError("no free port between 20000 and 32000")


def on_path(*names: str) -> str:
    """The first of these programs that is installed. Not the one that came with Python's packages, which lies before it where
    our environment is active: that Redis is for the demo, and older than what is asked for."""
    ours = sysconfig.get_path("scripts")
    path = os.pathsep.join(folder for folder in os.get_exec_path() if folder != ours)
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    raise Missing(f"{' or '.join(names)} is not installed")


def answers_http(url: str) -> bool:
    """Whether a GET is answered with success."""
    with urllib.request.urlopen(url, timeout=2) as response:
        return response.status == 200
