"""Someone who hears of alerts: the contract, and how it is doing.

A new kind of target is a new file in this room with a class of this shape.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Protocol

from alerts.alert import Notification


class Reason(StrEnum):
    """Why a delivery failed; also the label of the self-metric."""

    UNREACHABLE = "unreachable"  # no connection: address, network, TLS
    TIMEOUT = "timeout"
    SERVER_ERROR = "server_error"  # 5xx
    RATE_LIMITED = "rate_limited"  # 429
    REJECTED = "rejected"  # it understood and does not want it: another 4xx, a redirect


class DeliveryError(Exception):
    """A delivery that failed.

    DeliveryError
    ├── Unavailable   nothing gets through now: the target as a whole is left alone for a while
    └── Rejected      this one is not taken: others may be
    """

    def __init__(self, reason: Reason, detail: str, retry_after_ms: int = 0) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.retry_after_ms = retry_after_ms  # what the target asked for


class Unavailable(DeliveryError):  # noqa: N818 - named for the state of the target
    pass


class Rejected(DeliveryError):  # noqa: N818
    pass


class Target(Protocol):
    """Where notifications go. `name` is unique among the targets."""

    name: str
    # None: hears of every change, once. Else: hears of all current alerts, again and again.
    resend_ms: ClassVar[int | None]

    async def send(self, notification: Notification, now_ms: int) -> None:
        """Returns when the target has taken it; raises Unavailable or Rejected."""
        ...


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """How a target is doing. The counts are those of all engines that served it."""

    name: str
    delivered: int = 0
    failed: int = 0  # attempts
    dropped: int = 0  # notifications given up after a day
    waiting: int = 0
    last_success_ms: int | None = None
    last_failure_ms: int | None = None
    last_error: str = ""  # of the last failure; empty again after a success

    def going_on(self, before: "TargetStatus") -> "TargetStatus":
        """With the greater of the counts: they never fall, whoever counts."""
        return replace(
            self,
            delivered=max(self.delivered, before.delivered),
            failed=max(self.failed, before.failed),
            dropped=max(self.dropped, before.dropped),
        )
