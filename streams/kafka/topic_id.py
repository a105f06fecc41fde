"""The id that Kafka gives a topic when it is created (KIP-516): one that is created anew under the same name has another.

aiokafka's own metadata request is older than these ids, so this one is spelled out.
"""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from io import BytesIO
from typing import Any, Self

from aiokafka.errors import IncompatibleBrokerVersion, NodeNotReadyError, for_code
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

METADATA, VERSION = 3, 10  # the first version that tells ids: Kafka 2.8
NONE = bytes(16)


async def topic_id(client: Any, topic: str, node: int | None = None) -> str:
    """As Kafka's tools print it, told by this broker or any; "" where it gives none. Raises `KafkaError`, also for no topic."""
    node = client.get_random_node() if node is None else node
    if node is None:
        raise NodeNotReadyError("no broker is known yet")
    try:
        answer = await client.send(node, _Question([(NONE, topic, {})], False, False, False, {}))
    except IncompatibleBrokerVersion:
        return ""
    code, _, found = answer.topics[0]
    if code:
        raise for_code(code)(f"topic {topic}")
    return "" if found == NONE else urlsafe_b64encode(found).decode().rstrip("=")


class _Uuid:
    @staticmethod
    def encode(value: bytes) -> bytes:
        return value

    @staticmethod
    def decode(data: BytesIO) -> bytes:
        return data.read(len(NONE))


class _Answer(Response):  # type: ignore[misc]
    """Read up to the id of the one topic that was asked for; its partitions, which may be hundreds, are not looked at."""

    API_KEY, API_VERSION = METADATA, VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString()),
                ("port", Int32),
                ("rack", CompactString()),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString()),
        ("controller_id", Int32),
        ("topics", CompactArray(("error_code", Int16), ("name", CompactString()), ("id", _Uuid))),
    )


class _Question(RequestStruct):  # type: ignore[misc]
    API_KEY, API_VERSION = METADATA, VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Answer
    SCHEMA = Schema(
        ("topics", CompactArray(("id", _Uuid), ("name", CompactString()), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> Self:
        """What a connection asks of a request, knowing what its broker speaks."""
        if not versions[METADATA][0] <= VERSION <= versions[METADATA][1]:
            raise IncompatibleBrokerVersion("it tells no ids of topics")
        return self
