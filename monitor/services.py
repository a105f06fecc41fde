"""The roles on one page: what each opens, what runs in it, and how it ends.

worker: Kafka → pipeline → Redis.   serve: Redis → snapshot → `/metrics`, API, page and alerts.
"""

import asyncio
import os
import socket
import time
from collections.abc import Collection, Coroutine
from contextlib import AsyncExitStack
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal

from monitor.connections import StorePulse, WorkerStore, kafka_settings, notified, redis_client, secret, shared_key
from monitor.lifetime import together, until
from monitor.listen import bind, host_names, serve_http
from monitor.memory import settle
from monitor.pseudonyms import fingerprint, keyed
from monitor.settings import Settings
from monitor.worker_page import Overheard, create_worker_app
from streams.kafka.batch import Log
from streams.kafka.worker import run_worker
from streams.metrics.registry import catalogue
from streams.pipeline import Pipeline
from streams.runner import PipelineSettings
from streams.state.keys import Keys
from streams.state.redis_client import Client, keep_pseudonym_key
from streams.state.redis_store import RedisStore
from streams.windows.partition import Policy

if TYPE_CHECKING:
    from streams.reading.reader import Reader

Part = Coroutine[Any, Any, None]
Role = Literal["serve", "worker"]
SNAPSHOT_SECONDS = 1.0


async def run(
    settings: Settings, stop: asyncio.Event, *, roles: Collection[Role] = ("serve", "worker"), throwaway: bool = False
) -> None:
    """Runs the roles in this process until `stop` is set. `throwaway`: nobody minds that Redis forgets."""
    async with AsyncExitStack() as stack:
        sockets = listening(settings, roles, stack)
        client = await stack.enter_async_context(redis_client(settings))
        writes = Keys(settings.redis_prefix) if "worker" in roles else None
        pulse = StorePulse(client, writes, quiet=throwaway)
        await pulse.refused()
        parts = await serving(settings, client, stop, stack, sockets["serve"]) if "serve" in roles else []
        parts += working(settings, client, pulse, stop, sockets.get("worker")) if "worker" in roles else []
        await together(stop, until(stop, pulse.run()), *parts)


def listening(settings: Settings, roles: Collection[Role], stack: AsyncExitStack) -> dict[Role, socket.socket]:
    """Addresses are taken first: a port in use ends the process before anything has begun."""
    sockets: dict[Role, socket.socket] = {}
    if "serve" in roles:
        sockets["serve"] = stack.enter_context(bind(settings.serve_host, settings.serve_port, "XMON_SERVE_PORT"))
    if "worker" in roles and settings.worker_port:
        sockets["worker"] = stack.enter_context(bind(settings.worker_host, settings.worker_port, "XMON_WORKER_PORT"))
    return sockets


async def serving(
    settings: Settings, client: Client, stop: asyncio.Event, stack: AsyncExitStack, listener: socket.socket
) -> list[Part]:
    """The snapshot each second, the alerts on it, and HTTP. A worker, which must be quick to start, loads nothing of it."""
    import httpx

    from alerts.redis_store import RedisAlertStore
    from alerts.rules import load as load_rules
    from alerts.service import AlertService
    from monitor.api import create_app
    from monitor.rule_files import in_force
    from streams.reading.reader import Reader

    prefix = settings.redis_prefix
    reader = Reader(RedisStore(client, prefix), catalogue(), settings.topic_prefix, settings.shown_values)
    rules = load_rules(in_force(settings.rules_file), catalogue().figures)
    targets = notified(settings, await stack.enter_async_context(httpx.AsyncClient()))
    alerts = AlertService(rules, RedisAlertStore(client, prefix), targets, lambda: reader.snapshot)
    app = create_app(
        reader,
        alerts,
        brokers=settings.kafka_bootstrap_servers,
        topic_prefix=settings.topic_prefix,
        allowed_hosts=host_names(settings.serve_host, settings.public_url),
        exposed_windows=settings.exposed_windows.split(","),
    )
    settle()
    return [until(stop, reading(reader)), alerts.run(stop), serve_http(app, listener, stop, app.state.live.close)]


async def reading(reader: "Reader") -> None:
    """A snapshot each second; a slow one is followed at once, never caught up with."""
    while True:
        begun = time.monotonic()
        await reader.refresh(int(time.time() * 1000))
        await asyncio.sleep(max(0.0, begun + SNAPSHOT_SECONDS - time.monotonic()))


def working(
    settings: Settings, client: Client, pulse: StorePulse, stop: asyncio.Event, listener: socket.socket | None
) -> list[Part]:
    """Consuming, and the worker's own condition over HTTP."""
    store = WorkerStore(client, settings.redis_prefix, pulse)
    board = Overheard(store)
    parts = [consuming(settings, client, pulse, stop, store, board)]
    if listener:
        parts.append(serve_http(create_worker_app(board, pulse.healthy), listener, stop))
    return parts


async def consuming(
    settings: Settings, client: Client, pulse: StorePulse, stop: asyncio.Event, store: RedisStore, board: Overheard
) -> None:
    """Waits for Redis, then joins the group. Redis holds the truth: nothing is read before it answers."""
    await pulse.wait(stop)
    if stop.is_set():
        return
    topics = catalogue().topics(settings.topic_prefix)
    given, keys = secret(settings.pseudonym_key), Keys(settings.redis_prefix)
    key = given.encode() if given else await shared_key(client, keys, pulse, stop)
    if key is None:
        return
    computing = pipeline_settings(settings, key)

    def pipeline(kafka: Log) -> Pipeline:
        return Pipeline(topics, store, board, kafka, computing)

    settle()
    parts = [run_worker(kafka_settings(settings), list(topics), pipeline, stop, store_healthy=pulse.healthy)]
    if not given:
        parts.append(until(stop, keep_pseudonym_key(client, keys, key)))
    await together(stop, *parts)


def pipeline_settings(settings: Settings, key: bytes) -> PipelineSettings:
    """What the worker computes, under which name and with which key."""
    policy = Policy(
        lateness_ms=settings.lateness_seconds * 1000,
        max_event_bytes=settings.max_event_bytes,
        max_values=settings.max_values,
        max_scopes=settings.max_apps,
    )
    return PipelineSettings(
        worker=f"{socket.gethostname()}-{os.getpid()}",
        version=version("experience-monitor"),
        policy=policy,
        pseudonym=keyed(key),
        key_fingerprint=fingerprint(key),
        checkpoint_seconds=settings.checkpoint_interval_seconds,
    )
