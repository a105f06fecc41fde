"""Records published in Kafka transactions, some of which are aborted and then repeated."""

import itertools
import math
import queue
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from confluent_kafka import KafkaError, KafkaException, Message, Producer

LARGEST, LONGEST_SECONDS = 100, 0.3  # of a transaction
ABORTED = 0.2
TIMEOUT_SECONDS = 10.0
ABORT_ATTEMPTS = 3  # some of which follow the death of a broker go on for ever; a new producer of the same name ends them
Record = dict[str, Any]  # arguments of `produce`


class Transactions:
    """One producer in a thread of its own: records are committed in the order in which they were put."""

    def __init__(self, settings: dict[str, Any], name: str, rng: random.Random) -> None:
        self._settings = {**settings, "transactional.id": name}
        self._rng = rng
        self._waiting: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._thread = ThreadPoolExecutor(1)
        self.committed = self.aborted = 0  # transactions
        self.unsure = 0  # records that may be there twice: nobody could say whether their commit was done

    def __enter__(self) -> Self:
        self._begin_anew()
        self._all = self._thread.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        """Returns when all is committed; raises what kept it from that."""
        self._waiting.put(None)
        with self._thread:
            self._all.result()

    def put(self, **record: Any) -> None:
        self._waiting.put(record)

    def _run(self) -> None:
        while (first := self._waiting.get()) is not None:
            batch: list[Record | None] = [first]
            while batch[-1] is not None and len(batch) < LARGEST:
                try:
                    batch.append(self._waiting.get(timeout=LONGEST_SECONDS))
                except queue.Empty:
                    break
            self._publish([record for record in batch if record is not None])
            if batch[-1] is None:
                return

    def _publish(self, batch: list[Record]) -> None:
        """Tries until there is a commit that is certain."""
        while not self._attempt(batch):
            self.aborted += 1
        self.committed += 1

    def _attempt(self, batch: list[Record]) -> bool:
        acknowledged: list[bool] = []  # record by record; where there is no offset, librdkafka guesses by a later one's answer

        def delivered(error: KafkaError | None, message: Message) -> None:
            acknowledged.append(error is None and message.offset() is not None)

        try:
            self._producer.begin_transaction()
            for record in batch:
                self._producer.produce(**record, on_delivery=delivered)
            if self._producer.flush(TIMEOUT_SECONDS) or not all(acknowledged):
                self._begin_anew()  # else the next records have the numbers of these, and a broker that has these drops them
            elif self._rng.random() < ABORTED:
                _insist(self._producer.abort_transaction, ABORT_ATTEMPTS)
            else:
                self._commit(len(batch))
                return True
        except KafkaException:
            self._begin_anew()
        return False

    def _commit(self, records: int) -> None:
        """What is not answered in time is not asked again, but published again: twice is counted as unsure, missing is not."""
        try:
            self._producer.commit_transaction(TIMEOUT_SECONDS)
        except KafkaException:
            self.unsure += records
            raise

    def _begin_anew(self) -> None:
        """A producer of the same name: what the one before left open is aborted."""
        self._producer = Producer(self._settings)
        _insist(self._producer.init_transactions)


def _insist(call: Callable[[float], None], attempts: float = math.inf) -> None:
    """Repeats a call whose outcome is not known, until it is."""
    for attempt in itertools.count(1):
        try:
            call(TIMEOUT_SECONDS)
        except KafkaException as error:
            if attempt >= attempts or not error.args[0].retriable():
                raise
        else:
            return
