"""From settings to connections: Kafka, Redis, and those who hear of alerts."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from monitor.settings import Settings, SettingsError
from streams.kafka.settings import KafkaSettings
from streams.state import redis_client as redis
from streams.state.errors import StoreUnavailable
from streams.state.keys import Keys, PartitionId
from streams.state.redis_errors import answered
from streams.state.redis_store import RedisStore

if TYPE_CHECKING:
    import httpx

    from alerts.notify.target import Target

log = logging.getLogger(__name__)

PULSE_SECONDS = 2.0
REFUSED_SECONDS = 10.0  # for which a refused write is remembered: longer than a worker waits before it tries again


def secret(value: SecretStr | None) -> str | None:
    """The clear text, for those who connect."""
    return value.get_secret_value() if value else None


def kafka_settings(settings: Settings) -> KafkaSettings:
    """Kafka's part of the settings."""
    return KafkaSettings(
        bootstrap_servers=settings.kafka_bootstrap_servers,
        group_id=settings.group_id,
        topic_prefix=settings.topic_prefix,
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        username=settings.kafka_sasl_username,
        password=secret(settings.kafka_sasl_password),
        ca_file=settings.kafka_ssl_cafile,
        cert_file=settings.kafka_ssl_certfile,
        key_file=settings.kafka_ssl_keyfile,
        instance_id=settings.kafka_group_instance_id,
        session_timeout_seconds=settings.kafka_session_timeout_seconds,
    )


@asynccontextmanager
async def redis_client(settings: Settings) -> AsyncIterator[redis.Client]:
    """A client that connects with its first command."""
    client = redis.connect(
        settings.redis_url,
        username=settings.redis_username,
        password=secret(settings.redis_password),
        ca_file=_text(settings.redis_cafile),
        cert_file=_text(settings.redis_certfile),
        key_file=_text(settings.redis_keyfile),
    )
    try:
        yield client
    finally:
        await client.aclose()


def notified(settings: Settings, client: "httpx.AsyncClient") -> "list[Target]":
    """Who hears of alerts."""
    from alerts.notify.alertmanager import Alertmanager
    from alerts.notify.webhook import Webhook

    page = settings.public_url or ""
    targets: list[Target] = []
    if settings.webhook_url:
        key = secret(settings.webhook_secret) or ""
        try:
            targets.append(Webhook("webhook", settings.webhook_url, client, secret=key, page_url=page))
        except ValueError as error:
            raise SettingsError(f"XMON_WEBHOOK_SECRET: {error}") from None
    if settings.alertmanager_url:
        targets.append(Alertmanager("alertmanager", settings.alertmanager_url, client, page_url=page))
    return targets


class StorePulse:
    """Whether Redis answers, asked every two seconds. What could lose figures is said once.

    Whether it takes writes is asked where `writes` is given, for workers: one that cannot write waits. `serve` shows figures
    also from a Redis that is full, and its alerts say by themselves that they are not kept.
    """

    def __init__(
        self,
        client: redis.Client,
        writes: Keys | None = None,
        *,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._writes = writes
        self._quiet = quiet
        self._clock = clock
        self._alive = asyncio.Event()
        self._refused_until = float("-inf")
        self._warned: set[str] = set()

    def healthy(self) -> bool:
        return self._alive.is_set() and self._clock() >= self._refused_until

    async def refused(self) -> None:
        """Raises `StoreRejected` when Redis refuses us. That it is away is no reason: it may come."""
        with suppress(StoreUnavailable):
            await self._ask()

    async def run(self) -> None:
        """Asks for ever."""
        while True:
            await self.beat()
            await asyncio.sleep(PULSE_SECONDS)

    async def beat(self) -> None:
        """Asks once."""
        try:
            await self._ask()
        except StoreUnavailable as error:
            self.lost(error)

    def lost(self, error: StoreUnavailable) -> None:
        """Redis does not answer, or takes nothing: it is waited for until a beat finds it well."""
        self._alive.clear()
        log.warning(str(error))  # a kind of message for each reason, so that the log may be calm and miss none

    def write_refused(self) -> None:
        """Redis near its limit of memory takes small writes, such as the pulse's, and no others."""
        self._refused_until = self._clock() + REFUSED_SECONDS

    async def wait(self, stop: asyncio.Event) -> None:
        """Returns once Redis answers, or when `stop` is set."""
        waits = {asyncio.create_task(self._alive.wait()), asyncio.create_task(stop.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waits:
                task.cancel()

    async def _ask(self) -> None:
        warnings = await redis.check(self._client, self._writes)
        self._alive.set()
        for warning in warnings if not self._quiet else ():
            if warning not in self._warned:
                log.warning(warning)
        self._warned = set(warnings)


class WorkerStore(RedisStore):
    """A store whose pulse hears of each checkpoint that Redis refuses."""

    def __init__(self, client: redis.Client, prefix: str, pulse: StorePulse) -> None:
        super().__init__(client, prefix)
        self._pulse = pulse

    async def checkpoint(self, partition: PartitionId, expected: int | None, fields: Mapping[bytes, bytes]) -> int | None:
        try:
            return await super().checkpoint(partition, expected, fields)
        except StoreUnavailable as error:
            if answered(error):  # what hangs is left to the watchdog: another connection may mend it
                self._pulse.write_refused()
            raise


async def shared_key(client: redis.Client, keys: Keys, pulse: StorePulse, stop: asyncio.Event) -> bytes | None:
    """The key for pseudonyms that all workers share, asked for until Redis gives it; None where `stop` is set before."""
    while True:
        await pulse.wait(stop)
        if stop.is_set():
            return None
        try:
            return await redis.pseudonym_key(client, keys)
        except StoreUnavailable as error:
            pulse.lost(error)


def _text(path: Path | None) -> str | None:
    return str(path) if path else None
