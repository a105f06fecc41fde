"""The roles on one page: what each opens, what runs in it, and how it ends.

worker: Kafka → pipeline → Redis.   serve: Redis → snapshot → `/metrics`, API, page and alerts.
"""

import asyncio
import os
import socket
import time
from collections.abc import Collection, Coroutine
from contextlib import AsyncExitStack
from typing import Any, Literal

from monitor.api import create_app
from monitor.connections import StorePulse, kafka_settings, redis_client, secret
from monitor.lifetime import together, until
from monitor.listen import bind, serve_http
from monitor.ports import NoAlerts
from monitor.pseudonyms import fingerprint, keyed
from monitor.settings import Settings
from streams.kafka.batch import Log
from streams.kafka.worker import run_worker
from streams.metrics.registry import catalogue
from streams.pipeline import Pipeline, PipelineSettings
from streams.reading.reader import Reader
from streams.state.keys import Keys
from streams.state.redis_client import Client, pseudonym_key
from streams.state.redis_store import RedisStore
from streams.windows.partition import Policy

Part = Coroutine[Any, Any, None]
Role = Literal["serve", "worker"]
SNAPSHOT_SECONDS = 1.0


async def run(
    settings: Settings, stop: asyncio.Event, *, roles: Collection[Role] = ("serve", "worker"), throwaway: bool = False
) -> None:
    """Runs the roles in this process until `stop` is set. `throwaway`: nobody minds that Redis forgets."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(redis_client(settings))
        pulse = StorePulse(client, quiet=throwaway)
        await pulse.refused()
        parts = serving(settings, client, stop, stack) if "serve" in roles else []
        parts += [working(settings, client, pulse, stop)] if "worker" in roles else []
        await together(stop, until(stop, pulse.run()), *parts)


def serving(settings: Settings, client: Client, stop: asyncio.Event, stack: AsyncExitStack) -> list[Part]:
    """The snapshot each second, the alerts on it, and HTTP."""
    listening = stack.enter_context(bind(settings.serve_host, settings.serve_port, "XMON_SERVE_PORT"))
    store = RedisStore(client, settings.redis_prefix)
    reader = Reader(store, catalogue(), settings.topic_prefix, settings.shown_values)
    app = create_app(reader, NoAlerts(), brokers=settings.kafka_bootstrap_servers, topic_prefix=settings.topic_prefix)
    return [until(stop, reading(reader)), serve_http(app, listening, stop)]


async def reading(reader: Reader) -> None:
    """A snapshot each second; a slow one is followed at once, never caught up with."""
    while True:
        begun = time.monotonic()
        await reader.refresh(int(time.time() * 1000))
        await asyncio.sleep(max(0.0, begun + SNAPSHOT_SECONDS - time.monotonic()))


async def working(settings: Settings, client: Client, pulse: StorePulse, stop: asyncio.Event) -> None:
    """Waits for Redis, then joins the group. Redis holds the truth: nothing is read before it answers."""
    await pulse.wait(stop)
    if stop.is_set():
        return
    topics = catalogue().topics(settings.topic_prefix)
    computing = await pipeline_settings(settings, client)
    store = RedisStore(client, settings.redis_prefix)

    def pipeline(kafka: Log) -> Pipeline:
        return Pipeline(topics, store, store, kafka, computing)

    await run_worker(kafka_settings(settings), list(topics), pipeline, stop, store_healthy=pulse.healthy)


async def pipeline_settings(settings: Settings, client: Client) -> PipelineSettings:
    """What the worker computes, under which name and with which key."""
    given = secret(settings.pseudonym_key)
    key = given.encode() if given else await pseudonym_key(client, Keys(settings.redis_prefix))
    policy = Policy(
        lateness_ms=settings.lateness_seconds * 1000,
        max_event_bytes=settings.max_event_bytes,
        max_values=settings.max_values,
        max_scopes=settings.max_apps,
    )
    return PipelineSettings(
        worker=f"{socket.gethostname()}-{os.getpid()}",
        policy=policy,
        pseudonym=keyed(key),
        key_fingerprint=fingerprint(key),
        checkpoint_seconds=settings.checkpoint_interval_seconds,
    )
