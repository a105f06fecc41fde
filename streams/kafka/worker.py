"""The life of a worker: join, feed, tick, watch, leave."""

import asyncio
import logging
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from aiokafka.errors import CorruptRecordException

from streams.kafka.app import add_agents, build_app
from streams.kafka.batch import Batch, Log, Pipeline
from streams.kafka.consumer_thread import ConsumerThread, thread_of
from streams.kafka.exit_codes import ConsumerFailed, KafkaRefused, PipelineFailed, WorkerError
from streams.kafka.log import RIGHTS, GivenUp, KafkaLog
from streams.kafka.membership import Membership
from streams.kafka.preflight import ready
from streams.kafka.settings import KafkaSettings
from streams.kafka.watchdog import Exit, Vitals, Watchdog, end_within
from streams.state.errors import StoreError
from streams.state.keys import PartitionId

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
MEMBERSHIP_SECONDS = 1.0
LAG_SECONDS = 10.0
LAG_PATIENCE_SECONDS = 30.0
UNJOIN_SHARE, STOP_SHARE = 0.15, 0.75  # of the time a stop may take: to leave a join under way, and for Faust to end


async def run_worker(
    settings: KafkaSettings,
    topics: Sequence[str],
    pipeline_factory: Callable[[Log], Pipeline],
    stop: asyncio.Event,
    *,
    store_healthy: Callable[[], bool] = lambda: True,
    exit_process: Exit = os._exit,
) -> None:
    """Work until `stop` is set; raises a `WorkerError` where it ends for another reason.

    From the end of the work on it has `stop_within_seconds` to leave; then `exit_process` is called. After an error it
    is called even when this has raised in time: a process without its worker must not live on because something hangs.
    """
    await ready(settings, [*topics, settings.dead_letter_topic], stop)
    if stop.is_set():
        return
    with tempfile.TemporaryDirectory(prefix="faust-", ignore_cleanup_errors=True) as data_directory:
        worker = Worker(settings, topics, pipeline_factory, data_directory, store_healthy)
        await worker.run(stop, exit_process)


class Worker:
    """One Faust app and one pipeline, for one run."""

    def __init__(
        self,
        settings: KafkaSettings,
        topics: Sequence[str],
        pipeline_factory: Callable[[Log], Pipeline],
        data_directory: str,
        store_healthy: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._store_healthy = store_healthy
        self._app = build_app(settings, data_directory)
        self._log = KafkaLog(self._app, settings.dead_letter_topic)
        self._pipeline = self._app.transport.pipeline = pipeline_factory(self._log)
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._membership = Membership(settings.instance_id) if settings.instance_id else None
        self._turns = 0
        self._taken, self._fed = Counter[PartitionId](), Counter[PartitionId]()  # batches
        self._lagging: Collection[PartitionId] = ()
        add_agents(self._app, topics, self._feed, self._fail)

    async def run(self, stop: asyncio.Event, exit_process: Exit) -> None:
        watchdog = Watchdog(self._vitals, self._settings, exit_process)
        watchdog.start()
        lives = [self._start(), self._tick(), self._measure_lag(), self._await_crash()]
        if self._membership:
            lives.append(self._keep_place(self._membership))
        tasks = {asyncio.ensure_future(life) for life in lives}
        stopping = asyncio.create_task(stop.wait())
        try:
            await self._first_end({*tasks, self._failure}, stopping)
        finally:
            release = end_within(self._settings.stop_within_seconds, exit_process)
            if stop.is_set() and self._membership and self._joined:
                self._membership.give_up(self._thread.coordinator)
            left = await self._leave({*tasks, stopping})
            watchdog.stop()
        if left:  # else the consumer's thread may live on, in its place in the group, and keep this process alive for ever
            release()

    async def _first_end(self, tasks: set[asyncio.Future[None]], stopping: asyncio.Future[Any]) -> None:
        """Wait for the stop signal, or raise what ended a task. Only the start may end well before that."""
        while tasks and not stopping.done():
            done, tasks = await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                if self._app.crashed and (task.cancelled() or isinstance(task.exception(), RuntimeError)):
                    raise self._crash()  # the task met the loop of a thread that ended with the app
                task.result()
            tasks -= {stopping}

    async def _leave(self, tasks: set[asyncio.Future[Any]]) -> bool:
        """Whether Faust has come to its end by itself."""
        if self._app.rebalancing:
            unjoining = asyncio.ensure_future(self._thread.unjoin())
            tasks.add(unjoining)
            await asyncio.wait({unjoining}, timeout=self._settings.stop_within_seconds * UNJOIN_SHARE)
        leaving = asyncio.create_task(self._app.stop())
        in_time, _ = await asyncio.wait({leaving}, timeout=self._settings.stop_within_seconds * STOP_SHARE)
        for task in (*tasks, leaving):
            task.cancel()
        done, _ = await asyncio.wait({*tasks, leaving}, timeout=1.0)
        for task in done:
            if not task.cancelled() and task.exception():
                log.debug("ended while leaving", exc_info=task.exception())
        return leaving in in_time and not leaving.cancelled() and leaving.exception() is None

    async def _start(self) -> None:
        """Returns after the first assignment."""
        try:
            await self._app.start()
        except Exception as error:
            raise ConsumerFailed(f"the Kafka consumer did not start: {error!r}") from error

    async def _feed(self, batch: Batch) -> None:
        self._taken[batch.partition] += 1
        try:
            with suppress(GivenUp):  # the batch is dropped; what it held is read by whoever has the partition now
                await self._pipeline.feed(batch)
        finally:
            self._fed[batch.partition] += 1

    def _fail(self, error: Exception) -> None:
        failure: Exception = error
        if isinstance(error, CorruptRecordException):
            failure = ConsumerFailed(f"what Kafka has cannot be read: {error}")
        elif not isinstance(error, WorkerError | StoreError):
            failure = PipelineFailed(f"the pipeline failed: {error!r}")
        if failure is not error:
            log.error("the pipeline failed", exc_info=error)
            failure.__cause__ = error
        if not self._failure.done():
            self._failure.set_exception(failure)

    async def _tick(self) -> None:
        while True:
            try:
                with suppress(GivenUp):
                    await self._pipeline.tick()
            except Exception as error:  # noqa: BLE001 - whatever it is, it is ours and ends the worker
                self._fail(error)
                return
            await asyncio.sleep(TICK_SECONDS)

    async def _measure_lag(self) -> None:
        """Ask the brokers, not the fetcher, whether records wait: a fetcher that died would see none.

        Each broker by itself: one that is away says nothing of what others lead. What none leads nobody can read.
        """
        while True:
            await asyncio.sleep(LAG_SECONDS)
            found = await asyncio.gather(*(self._waiting(led) for led in self._log.by_leader()))
            self._lagging = list(chain.from_iterable(found))

    async def _waiting(self, led: Sequence[PartitionId]) -> Collection[PartitionId]:
        """Those of one broker in which records wait: all, where it does not tell."""
        try:
            async with asyncio.timeout(LAG_PATIENCE_SECONDS):
                bounds = await self._log.all_bounds(led)
        except TimeoutError:
            return led
        return [which for which, (_, end) in bounds.items() if end > (self._log.position(which) or 0)]

    async def _keep_place(self, membership: Membership) -> None:
        """Of a static member; see `membership.py`."""
        while True:
            await asyncio.sleep(MEMBERSHIP_SECONDS)
            if self._joined:
                await self._thread.call_thread(membership.mend, self._thread.coordinator)

    async def _await_crash(self) -> None:
        """Faust notes a crash in a flag, often from another thread, and goes on."""
        while not self._app.crashed:
            self._turns += 1
            await asyncio.sleep(TICK_SECONDS)
        raise self._crash()

    def _crash(self) -> WorkerError:
        reason = self._app.crash_reason
        error: WorkerError = ConsumerFailed(f"the Kafka consumer failed: {reason!r}")
        if isinstance(reason, RIGHTS):
            error = KafkaRefused(f"Kafka denies a right the worker needs: {reason!r}")
        error.__cause__ = reason
        return error

    @property
    def _thread(self) -> ConsumerThread:
        return thread_of(self._app)

    @property
    def _joined(self) -> bool:
        """Whether the group has answered at least once."""
        return self._app._assignment is not None  # noqa: SLF001

    def _vitals(self) -> Vitals:
        """From the watchdog's thread: counters are copied before they are looked through."""
        consumer = self._app._consumer  # noqa: SLF001 - None until Faust has made one
        taken, fed = self._taken.copy(), self._fed.copy()
        applying, everywhere = taken - fed, fed.total()
        return Vitals(
            turns=self._turns,
            joined=self._joined,
            flowing=bool(consumer and consumer.flow_active) and not self._app.rebalancing,
            waiting={
                which: everywhere if which not in applying and self._thread.in_line_now(which) else fed[which]
                for which in {*self._lagging, *applying}
            },
            store_healthy=self._store_healthy(),
        )
