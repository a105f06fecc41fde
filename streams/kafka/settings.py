"""How to reach Kafka and how to read from it."""

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from streams.kafka.exit_codes import KafkaRefused

ADDRESS = re.compile(r"(?:\[([^\[\]]+)\]|([^\[\]:/\s]+)):([0-9]{1,5})")
LAST_PORT = 65_535


def address(server: str) -> tuple[str, int]:
    """Host and port of "host:port"; an IPv6 address stands in brackets. Raises `ValueError` where it is something else."""
    found = ADDRESS.fullmatch(server)
    if not found or int(found[3]) > LAST_PORT:
        raise ValueError(f"{server!r} is not host:port, where an IPv6 address stands in brackets")
    return found[1] or found[2], int(found[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """One cluster and one consumer group; the same value serves worker, topics and dead letters."""

    bootstrap_servers: str = "127.0.0.1:9092"  # "host:port,host:port"
    group_id: str = "xmon"
    topic_prefix: str = "experience."
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "PLAIN"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    instance_id: str | None = None  # static membership
    session_timeout_seconds: float = 10
    fetch_min_bytes: int = 100_000
    fetch_max_wait_ms: int = 100
    fetch_partition_bytes: int = 2 << 20  # at most; twice what is usual, so that one thread waits for the other less often
    max_poll_records: int = 10_000
    unreachable_after_seconds: float = 30
    stop_within_seconds: float = 20

    @property
    def dead_letter_topic(self) -> str:
        return f"{self.topic_prefix}dead-letter"

    @property
    def servers(self) -> list[str]:
        """Each "host:port"."""
        return [server.strip() for server in self.bootstrap_servers.split(",") if server.strip()]

    @property
    def sasl(self) -> bool:
        return self.security_protocol.startswith("SASL")

    def ssl_context(self) -> ssl.SSLContext | None:
        """None without TLS. Raises `KafkaRefused` where a file cannot be used."""
        if not self.security_protocol.endswith("SSL"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file:
                context.load_cert_chain(self.cert_file, self.key_file)
        except OSError as error:
            raise KafkaRefused(f"a certificate, key or authority file for Kafka cannot be used: {error}") from error
        return context

    def security(self) -> dict[str, Any]:
        """Arguments for a connection of aiokafka."""
        chosen: dict[str, Any] = {"security_protocol": self.security_protocol, "ssl_context": self.ssl_context()}
        if self.sasl:
            chosen |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.username,
                "sasl_plain_password": self.password,
            }
        return chosen

    def client(self) -> dict[str, Any]:
        """Arguments for any client of aiokafka: consumer, producer, administrator."""
        return {"bootstrap_servers": self.servers, **self.security()}
