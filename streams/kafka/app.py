"""A fresh Faust app: one agent a topic, each giving its batches to the pipeline."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import faust
from faust.serializers.schemas import Schema
from faust.tables import TableManager
from mode import CrashingSupervisor
from yarl import URL

from streams.kafka.batch import Batch
from streams.kafka.settings import KafkaSettings
from streams.kafka.transport import Transport

log = logging.getLogger(__name__)

DAY_SECONDS = 86_400.0
METADATA_MS = 10_000  # how long partitions that were added, or a topic created anew, may go unread
HEARTBEAT_SECONDS = 1.0  # by its answer a worker hears of a rebalance; meanwhile those that come and go wait
REBALANCE_SHARE = 0.8  # of the session timeout: with a start and a join a killed worker is back before that is over


class BatchSchema(Schema[Any, Any]):
    """Pass a batch through: no codec, no headers."""

    def compile(self, app: Any, **_: Any) -> Callable[..., Awaitable[Any]]:
        async def decode(message: Any, *, propagate: bool = False) -> Any:  # noqa: ARG001 - Faust's signature
            return app.create_event(None, message.value, None, message)

        return decode


class NoTables(TableManager):
    """There are none. Faust's own manager gives them a second to be declared, and every start would wait for it."""

    logger = logging.getLogger("faust")

    async def on_start(self) -> None:
        await self._update_channels()
        await self.recovery.start()


def build_app(settings: KafkaSettings, data_directory: str) -> Any:
    """An app that is not started and has no agents; it cannot be used again after it has been stopped."""
    servers = [URL(f"kafka://{server}") for server in settings.servers]
    app = faust.App(
        settings.group_id,
        broker=servers,
        broker_credentials=_credentials(settings),
        consumer_group_instance_id=settings.instance_id,
        datadir=data_directory,
        store="memory://",
        TableManager=NoTables,
        web_enabled=False,
        topic_disable_leader=True,
        topic_allow_declare=False,
        table_standby_replicas=0,
        stream_wait_empty=False,
        stream_buffer_maxsize=8,
        agent_supervisor=CrashingSupervisor,
        consumer_metadata_max_age_ms=METADATA_MS,
        consumer_auto_offset_reset="none",  # anything else moves a position without telling anybody
        producer_request_timeout=30,
        consumer_max_fetch_size=settings.fetch_partition_bytes,
        broker_max_poll_records=settings.max_poll_records,
        broker_max_poll_interval=DAY_SECONDS,
        broker_session_timeout=settings.session_timeout_seconds,
        broker_heartbeat_interval=HEARTBEAT_SECONDS,
        # Whoever comes back after a kill starts a rebalance, which waits for the session of the dead one to end, or for this.
        broker_rebalance_timeout=REBALANCE_SHARE * settings.session_timeout_seconds,
        broker_request_timeout=max(40.0, settings.session_timeout_seconds),
        broker_commit_interval=5,
    )
    app.transport = app.producer_transport = Transport(servers, app)
    app.transport.settings = settings
    return app


def add_agents(
    app: Any, topics: Sequence[str], feed: Callable[[Batch], Awaitable[None]], failed: Callable[[Exception], None]
) -> None:
    """One agent a topic gives its batches to `feed`. What that raises goes to `failed`, and the agent stands still.

    `app.agent` would do the same, and look through all of the program's source files for each of them.
    """

    async def agent(stream: Any) -> None:
        async for event in stream.events():
            try:
                await feed(event.value)
            except Exception as error:  # noqa: BLE001 - an agent that raises commits what it has not done
                failed(error)
                await asyncio.Event().wait()

    for topic in topics:
        name, channel = f"feed-{topic}", app.topic(topic, schema=BatchSchema())
        app.agents[name] = app.conf.Agent(agent, app=app, name=name, channel=channel)


def _credentials(settings: KafkaSettings) -> Any:
    context = settings.ssl_context()
    if settings.sasl:
        return faust.SASLCredentials(
            username=settings.username,
            password=settings.password,
            ssl_context=context,
            mechanism=settings.sasl_mechanism,
        )
    return faust.SSLCredentials(context) if context else None
