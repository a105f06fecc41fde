"""The place of a static member (`XMON_KAFKA_GROUP_INSTANCE_ID`): after it was killed it has it again, without a rebalance.

aiokafka leaves two things out. It never says the member's name after the join, so the broker cannot answer that another has
taken the place, and the two take it from each other for ever. And only the leader of a group watches for new partitions, but
a leader that comes back is told that it is a follower: then nobody would.
"""

# ruff: noqa: SLF001  what is mended is private

from collections.abc import Mapping
from typing import Any

from aiokafka.errors import BrokerResponseError, kafka_errors
from aiokafka.protocol.api import RequestStruct
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatResponse_v1
from aiokafka.protocol.types import Int32, Schema, String


class Fenced(BrokerResponseError):  # type: ignore[misc]  # noqa: N818 - Kafka's word
    """The broker's answer to the older of two members with one name. aiokafka does not know it."""

    errno = 82
    message = "FENCED_INSTANCE_ID"

    def __repr__(self) -> str:
        return "another worker has the same XMON_KAFKA_GROUP_INSTANCE_ID, and each needs a name of its own"


class _Answer(HeartbeatResponse_v1):  # type: ignore[misc]
    API_VERSION = 3


class _NamedHeartbeat(RequestStruct):  # type: ignore[misc]
    """A heartbeat that says the member's name."""

    API_KEY, API_VERSION = _Answer.API_KEY, _Answer.API_VERSION
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("generation", Int32),
        ("member", String("utf-8")),
        ("name", String("utf-8")),
    )

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> Any:
        """What a connection asks of a request, knowing what its broker speaks. Before Kafka 2.3 no member had a name."""
        if versions[self.API_KEY][1] < self.API_VERSION:
            return HeartbeatRequest(self.group, self.generation, self.member).prepare(versions)
        return self


class Membership:
    """Mends a coordinator; call `mend` now and then, on its own thread."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._mended: Any = None
        kafka_errors[Fenced.errno] = Fenced

    async def mend(self, coordinator: Any) -> None:
        if coordinator is not self._mended:
            self._mended = coordinator
            coordinator._send_req = self._naming(coordinator, coordinator._send_req)
        if coordinator._group_subscription is None and coordinator._heartbeat_task:  # a follower that has joined
            coordinator._group_subscription = coordinator._subscription.subscription.topics
            coordinator._metadata_snapshot = coordinator._get_metadata_snapshot()

    def give_up(self, coordinator: Any) -> None:
        """A stop is meant: let the others take over at once, instead of when the session has ended."""
        coordinator._group_instance_id = None

    def _naming(self, coordinator: Any, send: Any) -> Any:
        def heartbeat() -> Any:
            return send(_NamedHeartbeat(coordinator.group_id, coordinator.generation, coordinator.member_id, self._name))

        async def named(request: Any) -> Any:
            if isinstance(request, HeartbeatRequest):
                return await heartbeat()
            if isinstance(request, OffsetCommitRequest) and (await heartbeat()).error_code == Fenced.errno:
                raise Fenced  # else the commit would be answered with "unknown member", and the place be taken back
            return await send(request)

        return named
