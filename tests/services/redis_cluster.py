"""A real Redis Cluster: three primaries that share the slots."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.services.redis import RedisServer
from tests.services.service import HOST

SLOTS = 16_384
AGREED_SECONDS = 30.0


class Primary(RedisServer):
    """One node. It is ready when it answers; once it has joined, when it knows where each slot is."""

    def __init__(self, directory: Path, missed_after_ms: int, executable: str | None = None) -> None:
        options = ["--cluster-node-timeout", str(missed_after_ms)]
        super().__init__(directory, cluster=True, options=options, executable=executable)
        self.joined = False

    def ready(self) -> bool:
        return self.ask("PING").startswith("+PONG") and (not self.joined or self.agrees())

    def agrees(self) -> bool:
        """Whether it finds all nodes alive and all slots served."""
        return "cluster_state:ok" in self.ask("CLUSTER INFO")

    def ask(self, command: str) -> str:
        """The answer as it stands on the wire."""
        return self._ask(command).decode()

    def meet(self, other: "Primary") -> None:
        assert self.ask(f"CLUSTER MEET {HOST} {other.port} {other._bus_port}").startswith("+OK")


class RedisCluster:
    """Starts three primaries and lets them meet; each may be killed and started again. Who is silent for so long is missed by
    the others."""

    def __init__(
        self, directory: Path, *, missed_after_ms: int = 15_000, executable: str | None = None, primaries: int = 3
    ) -> None:
        self.primaries = [Primary(directory / f"{number}", missed_after_ms, executable) for number in range(primaries)]
        self._running = ExitStack()

    @property
    def url(self) -> str:
        return self.primaries[0].url

    def start(self) -> Self:
        with ExitStack() as starting:
            for primary in self.primaries:
                starting.enter_context(primary)
            self._join()
            self._running = starting.pop_all()
        return self

    def stop(self) -> None:
        self._running.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _join(self) -> None:
        """Shares the slots out, and waits until every node knows all others and their slots."""
        first, *others = self.primaries
        share = SLOTS / len(self.primaries)
        for number, primary in enumerate(self.primaries):
            primary.ask(f"CLUSTER ADDSLOTSRANGE {round(number * share)} {round((number + 1) * share) - 1}")
            primary.ask(f"CLUSTER SET-CONFIG-EPOCH {number + 1}")
        for other in others:
            first.meet(other)
        deadline = time.monotonic() + AGREED_SECONDS
        while not all(primary.agrees() for primary in self.primaries):
            assert time.monotonic() < deadline, first.ask("CLUSTER NODES")
            time.sleep(0.05)
        for primary in self.primaries:
            primary.joined = True
