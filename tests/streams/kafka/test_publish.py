"""Publishing: what was acknowledged is known, and brokers that are gone do not hold up an end."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from monitor.embedded import embedded
from streams.events.page_load import FAMILY
from streams.kafka.exit_codes import KafkaRefused
from streams.kafka.publish import Publisher
from streams.kafka.settings import KafkaSettings

EVENT = {"app": "shop", "session": "s1"}


async def test_acknowledged_events_are_counted() -> None:
    """Those that the broker has, and no others."""
    async with embedded() as both, Publisher(KafkaSettings(bootstrap_servers=both.kafka_bootstrap_servers)) as publisher:
        for _ in range(10):
            await publisher.send(FAMILY, EVENT)
        await publisher.flush()
        assert publisher.acknowledged == 10


async def test_a_broker_that_is_gone_is_not_waited_for() -> None:
    """Leaving ends, though something is still to be acknowledged."""
    async with AsyncExitStack() as broker:
        both = await broker.enter_async_context(embedded())
        async with asyncio.timeout(30), Publisher(KafkaSettings(bootstrap_servers=both.kafka_bootstrap_servers)) as publisher:
            await publisher.send(FAMILY, EVENT)
            await publisher.flush()
            await broker.aclose()
            await publisher.send(FAMILY, EVENT)
        assert publisher.acknowledged == 1


async def test_a_topic_that_is_not_there_is_said_at_once() -> None:
    """And is not made by asking."""
    async with embedded() as both, Publisher(KafkaSettings(bootstrap_servers=both.kafka_bootstrap_servers)) as publisher:
        for _ in range(2):
            with pytest.raises(KafkaRefused, match=r"no topic experience\.page-load: create it"):
                await publisher.require(FAMILY)
        await publisher.ask_for(["experience.page-load"])
        await publisher.require(FAMILY)
