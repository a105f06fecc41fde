"""A Faust transport that hands each fetch of a partition on as one message. `docs/faust.md` says why."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any, cast

from aiokafka.errors import ConsumerStoppedError
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from streams.kafka.batch import Batch, Pipeline
from streams.kafka.consumer_thread import ConsumerThread
from streams.kafka.pause import pause_between_questions
from streams.kafka.settings import KafkaSettings
from streams.state.keys import PartitionId

STOP_SECONDS = 3.0


class Consumer(driver.Consumer):
    """The main loop's side: takes batches from the thread and gives them to the agents."""

    _thread: ConsumerThread

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def _pipeline(self) -> Pipeline:
        return cast("Transport", self.transport).pipeline

    async def _drain_messages(self, fetcher: Any) -> None:
        """Stock Faust goes record by record, and after a seek back drops what it has once read."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                if not self.flow_active:
                    await self.wait(self.can_resume_flow.wait())
                for batch in await self._thread.batches():
                    if self.flow_active:
                        await self.wait_first(self.callback(self._message(batch)), self.suspend_flow.wait())
        except (ConsumerStoppedError, asyncio.CancelledError):
            if not self.app.should_stop:
                raise

    def _message(self, batch: Batch) -> ConsumerMessage:
        """One message to Faust, with the offset of the last record and no time."""
        tp, value = TP(*batch.partition), cast("Any", batch)  # Faust expects bytes, and only carries them
        generation = self.app.consumer_generation_id
        return ConsumerMessage(*tp, batch.end - 1, 0.0, 0, None, None, value, None, tp=tp, generation_id=generation)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        try:
            self._pipeline.assigned({PartitionId(*tp) for tp in assigned})
        except Exception as error:  # noqa: BLE001 - aiokafka would log it and go on
            await self.crash(error)
        await super().on_partitions_assigned(assigned, generation_id)

    async def perform_seek(self) -> None:
        """The only place where a seek after an assignment is not overwritten.

        What the pipeline does not name begins at the start of the log: 0, from where an aged log leads on by itself.
        """
        partitions = sorted(PartitionId(*tp) for tp in self.assignment())
        known = await self._pipeline.positions(partitions)
        await self._thread.seek_to({partition: known.get(partition, 0) for partition in partitions})

    def on_buffer_full(self, tp: TP) -> None:
        """A full queue makes the fetcher wait. Leaving partitions out makes Faust sleep for a second instead."""

    def on_buffer_drop(self, tp: TP) -> None:
        """See `on_buffer_full`."""

    def _new_offset(self, tp: TP) -> int | None:
        """The end of the last batch taken, for those who watch lag with Kafka's own tools."""
        acked = self._acked.pop(tp, None)
        self._acked_index.pop(tp, None)
        return max(acked) + 1 if acked else None

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's warnings about slow streams are false on quiet topics; `watchdog.py` does this."""


class Producer(driver.Producer):
    """Sends dead letters: nothing acknowledged is lost; one may be written twice, as after a crash. Not idempotent: when
    a broker was away for long, aiokafka's producer would have a gap in its sequence numbers and be refused for good."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all"}

    def _new_producer(self, transactional_id: str | None = None) -> Any:
        producer = super()._new_producer(transactional_id)
        pause_between_questions(producer.client)
        return producer

    async def flush(self) -> None:
        """Nothing: whoever sends a letter waits for it. Faust would wait for all of them, up to half a minute, before a
        rebalance goes on and before a stop stops anything."""

    async def on_stop(self) -> None:
        """What is not acknowledged soon is written again by who has the partition next."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS):
                await super().on_stop()


class Transport(driver.Transport):
    Consumer = Consumer
    Producer = Producer
    settings: KafkaSettings
    pipeline: Pipeline
