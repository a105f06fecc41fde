"""What can be foreseen to go wrong, as a person at a terminal meets it: one line with a hint, and an exit code by kind.

2 usage or settings · 3 Kafka · 4 Redis · 5 address or port, or nobody answers there · 6 alert rules · 7 what was counted is not
what was sent · 70 a fault of the program itself · 80 and above: why a worker ended (`streams/kafka/exit_codes.py`)
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any

from alerts.rules import InvalidRules
from monitor.embedded import EmbeddedError
from monitor.settings import SettingsError
from streams.kafka.exit_codes import WorkerError
from streams.state.errors import StoreError


class Code(IntEnum):
    """Exit codes."""

    USAGE = 2
    KAFKA = 3
    REDIS = 4
    ADDRESS = 5
    RULES = 6
    MISCOUNTED = 7
    INTERNAL = 70


class UsageError(Exception):
    """What was asked for cannot be done as it was asked: a message with a hint."""


class AddressTaken(Exception):  # noqa: N818  named for the address
    """A host and port that cannot be listened on: a message with a hint."""


class NotServing(Exception):  # noqa: N818  says what is so
    """No `serve` tells figures where it was asked for them: a message with a hint."""


_CODES: tuple[tuple[type[Exception], Callable[[Any], int]], ...] = (
    (SettingsError, lambda _: Code.USAGE),
    (UsageError, lambda _: Code.USAGE),
    (EmbeddedError, lambda _: Code.USAGE),
    (AddressTaken, lambda _: Code.ADDRESS),
    (NotServing, lambda _: Code.ADDRESS),
    (InvalidRules, lambda _: Code.RULES),
    (WorkerError, lambda error: error.exit_code),
    (StoreError, lambda _: Code.REDIS),
)


def exit_code(error: BaseException) -> int | None:
    """The code for a foreseen failure; `None` for anything else."""
    return next((code(error) for kind, code in _CODES if isinstance(error, kind)), None)


def foreseen(error: BaseException) -> BaseException:
    """The first foreseen failure inside a group of errors, else the first error of all."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    inside = [foreseen(one) for one in error.exceptions]
    return next((one for one in inside if exit_code(one) is not None), inside[0])
