"""uvloop's answer to a write on a connection that is being closed is a RuntimeError. aiokafka takes it for a mistake in the
program (https://github.com/aio-libs/aiokafka/issues/1038), and the task that met it is over: the fetcher reads nothing more,
the producer writes nothing more, and nobody is told.
"""

from functools import wraps
from typing import Any

from aiokafka.conn import AIOKafkaConnection, CloseReason
from aiokafka.errors import KafkaConnectionError, KafkaError


def kafka_errors_only() -> None:
    """From now on, for all connections of this process: a request that cannot be sent is an outage, and is tried again."""
    send = AIOKafkaConnection.send

    @wraps(send)
    def told(self: Any, *request: Any, **how: Any) -> Any:
        try:
            return send(self, *request, **how)
        except KafkaError:  # which is a RuntimeError too
            raise
        except RuntimeError as error:
            self.close(reason=CloseReason.CONNECTION_BROKEN)
            raise KafkaConnectionError(f"Connection at {self.host}:{self.port} is being closed: {error}") from error

    AIOKafkaConnection.send = told
