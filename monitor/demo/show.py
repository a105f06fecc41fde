"""The demo: the whole monitor on an embedded broker and Redis, and the story that is published to it."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

from monitor import services
from monitor.connections import kafka_settings
from monitor.demo.player import play
from monitor.embedded import embedded
from monitor.lifetime import together, until
from monitor.rule_files import of_the_demo
from monitor.settings import Settings
from streams.kafka.publish import Publisher
from streams.metrics.registry import catalogue

PAST_SECONDS = 150

WELCOME = """
  A day in the life of two apps, told in four minutes, again and again.

  Live page    http://{host}:{port}/
  Metrics      http://{host}:{port}/metrics
  Kafka        {kafka}   (publish your own events: docs/producers.md)

  From 0:15    a release crashes and is slow, on tablets only
  From 0:35    a link on the shop's front page is broken
  From 0:36    the shop's support cannot keep up
  By 3:00      all of it is over, and its alerts have resolved

  Ctrl-C ends it and leaves nothing behind.
"""


async def publish(settings: Settings, stop: asyncio.Event, seed: int | None) -> None:
    """The story alone, to the brokers in the settings."""
    async with Publisher(kafka_settings(settings)) as publisher:
        await until(stop, _story(publisher, seed, past_seconds=0))


async def everything(settings: Settings, stop: asyncio.Event, seed: int | None, say: Callable[[str], None]) -> None:
    """Broker, Redis, worker, page, alerts and story."""
    async with AsyncExitStack() as stack:
        both = await stack.enter_async_context(embedded())
        settings = settings.model_copy(
            update={
                "kafka_bootstrap_servers": both.kafka_bootstrap_servers,
                "kafka_security_protocol": "PLAINTEXT",
                "redis_url": both.redis_url,
                "redis_username": None,
                "redis_password": None,
                "worker_port": 0,
                "rules_file": settings.rules_file or of_the_demo(),
            }
        )
        kafka = kafka_settings(settings)
        publisher = await stack.enter_async_context(Publisher(kafka))
        await publisher.ask_for([*catalogue().topics(settings.topic_prefix), kafka.dead_letter_topic])
        say(WELCOME.format(host=settings.serve_host, port=settings.serve_port, kafka=both.kafka_bootstrap_servers))
        story = until(stop, _story(publisher, seed, past_seconds=PAST_SECONDS))
        await together(stop, services.run(settings, stop, throwaway=True), story)


async def _story(publisher: Publisher, seed: int | None, past_seconds: int) -> None:
    families = {family.name: family.event for family in catalogue().families}
    await play(publisher, families, seed=seed, past_seconds=past_seconds)
