"""The thread that owns aiokafka's consumer: fetches, seeks, heartbeats. `docs/faust.md` says why."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from aiokafka.consumer.fetcher import FetchError
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from aiokafka.protocol.group import LeaveGroupRequest
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service
from mode.threads import MethodQueue, QueuedMethod

from streams.kafka.batch import Batch
from streams.kafka.chain import Chain
from streams.kafka.fetched import many_at_a_time
from streams.kafka.pause import pause_between_questions
from streams.state.keys import PartitionId

log = logging.getLogger(__name__)

FETCH_SECONDS = 1.0
COMMIT_SECONDS = 5.0


many_at_a_time()


def adjust(consumer: Any, **values: Any) -> None:
    """Set what aiokafka's consumer has and Faust has no setting for; AttributeError where it has no such thing.

    Under another name records of aborted transactions would be counted, and nobody be told."""
    for name in values:
        if not hasattr(consumer, name):
            raise AttributeError(f"aiokafka {version('aiokafka')} has no {name}: install the one that pyproject.toml names")
    for name, value in values.items():
        setattr(consumer, name, value)


class Calls(MethodQueue):
    """What the main thread asks of this one. Stock Faust has two workers for it, and the fetch keeps one: everything else
    would wait in line for answers of brokers that are slow, or away."""

    def _queue_put(self, call: QueuedMethod) -> None:
        self.add_future(self._process_enqueued(call))


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """What other threads may call says so."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.chain = Chain()
        self._method_queue = Calls(num_workers=0, loop=self.thread_loop, beacon=self.beacon)

    def _create_worker_consumer(self, transport: Any) -> Any:
        consumer = super()._create_worker_consumer(transport)
        settings = transport.settings
        adjust(
            consumer,
            _fetch_min_bytes=settings.fetch_min_bytes,
            _fetch_max_wait_ms=settings.fetch_max_wait_ms,
            _isolation_level="read_committed",
        )
        pause_between_questions(consumer._client)  # noqa: SLF001
        return consumer

    async def on_thread_stop(self) -> None:
        """Without a broker aiokafka's own cancellation comes out of its stop; it would keep the app waiting."""
        with contextlib.suppress(asyncio.CancelledError):
            await super().on_thread_stop()

    @Service.task
    async def _watch_group(self) -> None:
        """Faust never asks whether the group has failed for good, or aiokafka no longer fetches; a yes ends the app."""
        while not self.should_stop:
            await self.sleep(1.0)
            consumer = self._ensure_consumer()
            if consumer._fetcher._fetch_task.done() and not self.should_stop:  # noqa: SLF001
                raise KafkaError("aiokafka's fetcher has ended")
            try:
                consumer._coordinator.check_errors()  # noqa: SLF001
            except KafkaError as error:
                if not error.retriable:
                    raise
                log.warning("Kafka group: %r; trying again", error)

    async def batches(self) -> list[Batch]:
        """What the next fetch brings, or nothing after a second; called from the main thread."""
        batches: list[Batch] = await self.call_thread(self._batches)
        return batches

    async def _batches(self) -> list[Batch]:
        """Nothing may `await` between the fetch and the labels."""
        consumer = self._ensure_consumer()
        most = consumer._max_poll_records  # noqa: SLF001
        try:
            fetched = await self._fetch_records(consumer, set(), timeout=FETCH_SECONDS, max_records=most)
        except OffsetOutOfRangeError as error:
            await self._restart(error.args[0])
            return []
        except NoOffsetForPartitionError:  # fetched between an assignment and its seek
            return []
        return self.chain.batches(self._assignment(), fetched)

    async def _restart(self, lost: Mapping[TopicPartition, int]) -> None:
        """Seek to the log's start where the position has left the log, unless somebody sought meanwhile."""
        before = {tp: self.chain.epochs[PartitionId(*tp)] for tp in lost}
        try:
            starts = await self._ensure_consumer().beginning_offsets(list(lost))
        except KafkaError as error:  # the next fetch comes here again
            log.warning("the start of a log could not be read: %r", error)
            return
        for tp, start in starts.items():
            partition = PartitionId(*tp)
            if self.chain.epochs[partition] == before[tp]:
                log.info("%s: offset %d is not in the log, which starts at %d", partition, lost[tp], start)
                await self._seek_to({partition: start})

    async def seek_to(self, offsets: Mapping[PartitionId, int]) -> None:
        """Begin a new epoch of each of these partitions; called from the main thread."""
        await self.call_thread(self._seek_to, offsets)

    async def _seek_to(self, offsets: Mapping[PartitionId, int]) -> None:
        assignment = self._assignment()
        for partition, offset in offsets.items():
            tp = TopicPartition(*partition)
            if assignment and tp in assignment.tps:  # else no longer ours: whoever gets it next seeks by itself
                self._ensure_consumer().seek(tp, offset)
                self.chain.sought(assignment, partition, offset)

    @property
    def coordinator(self) -> Any:
        """aiokafka's, once the group has been joined."""
        return self._ensure_consumer()._coordinator  # noqa: SLF001

    async def unjoin(self) -> None:
        """Leave a group that waits for others to join; aiokafka would wait with it. Called from the main thread."""
        await self.call_thread(self._unjoin)

    async def _unjoin(self) -> None:
        """A broker that has a join to answer reads nothing else on that connection, so this goes by another."""
        coordinator = self.coordinator
        coordinator._coordination_task.cancel()  # noqa: SLF001
        await asyncio.wait({coordinator._coordination_task})  # noqa: SLF001
        node, member = coordinator.coordinator_id, coordinator.member_id
        if node is not None and member and not coordinator._group_instance_id:  # noqa: SLF001
            await coordinator._client.send(node, LeaveGroupRequest(coordinator.group_id, member))  # noqa: SLF001
            coordinator.reset_generation()

    def position_now(self, partition: PartitionId) -> int | None:
        """The offset of the next fetch; None before there is one."""
        assignment = self._assignment()
        state = assignment and assignment.state_value(TopicPartition(*partition))
        position: int | None = state.position if state and state.has_valid_position else None
        return position

    def leader_now(self, partition: PartitionId) -> int | None:
        """The broker that the next fetch asks; None while there is none."""
        leader: int | None = self._ensure_consumer()._client.cluster.leader_for_partition(TopicPartition(*partition))  # noqa: SLF001
        return leader if leader is not None and leader >= 0 else None

    def lag_now(self, partition: PartitionId) -> int | None:
        """Offsets between the next fetch and the end of what may be read; None before the first fetch."""
        state = self._fetched(partition)
        return max(int(state.lso) - int(state.position), 0) if state else None

    def undecided_now(self, partition: PartitionId) -> tuple[int, int]:
        """The end of what may be read, and how many offsets an open transaction holds back behind it."""
        state = self._fetched(partition)
        return (int(state.lso), max(int(state.highwater) - int(state.lso), 0)) if state else (0, 0)

    def in_line_now(self, partition: PartitionId) -> bool:
        """Whether its records are fetched and wait for their turn: aiokafka hands out first what it fetched first, so it comes
        as long as batches are applied anywhere. With very many partitions that may take minutes."""
        fetched = self._ensure_consumer()._fetcher._records.get(partition)  # noqa: SLF001
        return fetched is not None and not isinstance(fetched, FetchError)

    def _fetched(self, partition: PartitionId) -> Any:
        """What aiokafka knows of a partition, once a fetch has told where the log ends."""
        assignment = self._assignment()
        state = assignment and assignment.state_value(TopicPartition(*partition))
        return state if state and state.has_valid_position and state.lso is not None else None

    def _assignment(self) -> Any:
        subscription = self._ensure_consumer()._subscription.subscription  # noqa: SLF001
        return subscription and subscription.assignment

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        """Committed offsets only inform people: a failure is no reason to stop."""
        ours = self.assignment()
        wanted = {TopicPartition(*tp): OffsetAndMetadata(offset, "") for tp, offset in offsets.items() if tp in ours}
        if not wanted:  # aiokafka would take it for a mistake
            return False
        try:
            await asyncio.wait_for(self._ensure_consumer().commit(wanted), COMMIT_SECONDS)
        except (KafkaError, TimeoutError) as error:
            log.info("offsets were not committed: %r", error)
            return False
        return True


def thread_of(app: Any) -> ConsumerThread:
    """Of a Faust app that has been started."""
    thread: ConsumerThread = app.consumer._thread  # noqa: SLF001 - Faust offers no other way
    return thread
