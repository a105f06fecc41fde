"""Calls from the main loop to the thread that owns the consumer, on a real broker."""

import asyncio

import pytest
from aiokafka.errors import GroupAuthorizationFailedError
from faust.types import TP

from streams.kafka.exit_codes import ConsumerFailed, KafkaRefused
from streams.kafka.settings import KafkaSettings
from tests.streams.kafka.recording import Recording, create_topics, partitions_of, produce, worker

pytestmark = pytest.mark.kafka


async def never() -> None:
    await asyncio.Event().wait()


def ask_in_vain(pipeline: Recording) -> asyncio.Task[None]:
    """A call that a broker does not answer."""
    return asyncio.create_task(pipeline.log._thread.call_thread(never))  # type: ignore[attr-defined]


async def test_an_answer_that_does_not_come_keeps_nothing_else_waiting(settings: KafkaSettings) -> None:
    """Records come, and positions move, while other calls wait: one partition may have lost its broker, the others not."""
    [name] = await create_topics(settings, "a")
    partitions = partitions_of([name])
    async with worker(settings, [name]) as running:
        await running.until(lambda: bool(running.pipeline.asked))
        waiting = [ask_in_vain(running.pipeline) for _ in range(10)]
        await produce(settings, partitions, 10)
        await running.until(lambda: all(len(running.pipeline.applied[partition]) == 10 for partition in partitions))
        for task in waiting:
            task.cancel()


class Waiting(Recording):
    """Waits in its first tick for an answer of the thread."""

    async def tick(self) -> None:
        if self.asked:
            await ask_in_vain(self)


async def test_a_thread_that_ends_takes_along_what_waits_for_it(settings: KafkaSettings) -> None:
    """The worker ends with the reason of the thread's end, not with that of the one who waited."""
    [name] = await create_topics(settings, "a")
    async with worker(settings, [name], make=Waiting) as running:
        await running.until(lambda: bool(running.pipeline.asked))
        running.pipeline.log._thread._ensure_consumer()._coordinator._pending_exception = GroupAuthorizationFailedError()  # type: ignore[attr-defined]
        with pytest.raises(KafkaRefused, match="GroupAuthorizationFailed"):
            await asyncio.wait_for(running.task, 30)


async def test_a_fetcher_that_has_ended_ends_the_worker(settings: KafkaSettings) -> None:
    """aiokafka notes in a log that its task has failed, and from then on tells of no records, for ever."""
    [name] = await create_topics(settings, "a")
    async with worker(settings, [name]) as running:
        await running.until(lambda: bool(running.pipeline.asked))
        thread = running.pipeline.log._thread  # type: ignore[attr-defined]
        thread.thread_loop.call_soon_threadsafe(thread._ensure_consumer()._fetcher._fetch_task.cancel)
        with pytest.raises(ConsumerFailed, match="fetcher has ended"):
            await asyncio.wait_for(running.task, 30)


async def test_nothing_to_commit_is_no_mistake(settings: KafkaSettings) -> None:
    """In a rebalance all that was acknowledged may be of partitions that have gone to another worker."""
    [name] = await create_topics(settings, "a")
    async with worker(settings, [name]) as running:
        await running.until(lambda: bool(running.pipeline.asked))
        thread = running.pipeline.log._thread  # type: ignore[attr-defined]
        assert not await thread.call_thread(thread._commit, {TP(name, 99): 1})
