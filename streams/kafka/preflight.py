"""What must be true before a worker joins its group: a broker answers, lets us in and has the topics."""

import asyncio
import logging
import ssl
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin.config_resource import ConfigResourceType
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.admin import DescribeConfigsRequest
from aiokafka.protocol.metadata import MetadataRequest

from streams.kafka.connection import kafka_errors_only
from streams.kafka.exit_codes import KafkaRefused, KafkaUnreachable
from streams.kafka.settings import KafkaSettings, address

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Caution:
    """A setting of a topic that is warned of where it contains `unwanted`."""

    setting: str
    unwanted: str
    better: str
    why: str


CAUTIONS = (
    Caution(
        *("message.timestamp.type", "CreateTime", "LogAppendTime"),
        "a producer's clock that is ahead makes later records of its partition late",
    ),
    Caution(
        *("cleanup.policy", "compact", "delete"),
        "where a key comes again, as a session's does, earlier events may be gone unread, and nobody counts them",
    ),
)
CONNECT_MS = 5_000
PAUSE_SECONDS = 1.0
REMIND_SECONDS = 30.0
REFUSALS = {
    AuthenticationFailedError: "the user name or the password is wrong",
    AuthenticationMethodNotSupported: "it does not offer this SASL mechanism",
    IllegalSaslStateError: "it asks for no login, so the security protocol is another one",
    SaslAuthenticationFailed: "the user name or the password is wrong",
    UnsupportedSaslMechanismError: "it does not offer this SASL mechanism",
    ssl.SSLError: "TLS fails",
}

kafka_errors_only()


async def ready(settings: KafkaSettings, topics: Collection[str], stop: asyncio.Event) -> None:
    """Returns when the worker may start, or when `stop` is set.

    Raises `KafkaRefused` at once, `KafkaUnreachable` when no broker has answered for `unreachable_after_seconds`.
    Topics are waited for, with a reminder each half minute.
    """
    patience, reminded = time.monotonic() + settings.unreachable_after_seconds, float("-inf")
    while not stop.is_set():
        now = time.monotonic()
        try:
            missing = sorted(set(topics) - await _topics(settings))
        except KafkaUnreachable as error:
            if now >= patience:
                raise
            line = f"{error}; still trying"
        else:
            if not missing:
                await _warn_of_topics(settings, sorted(set(topics) - {settings.dead_letter_topic}))
                return
            patience = now + settings.unreachable_after_seconds
            line = f"waiting for missing topics: {', '.join(missing)} (create them with `xmon topics create`)"
        if now - reminded >= REMIND_SECONDS:
            reminded = now
            log.warning(line)
        await _pause(stop)


async def connect(settings: KafkaSettings) -> Any:
    """A connection to the first bootstrap server that answers, logged in."""
    security, failures = settings.security(), []
    for server in settings.servers:
        host, port = address(server)
        try:
            return await create_conn(host, port, request_timeout_ms=CONNECT_MS, **security)
        except tuple(REFUSALS) as error:
            why = next(why for kind, why in REFUSALS.items() if isinstance(error, kind))
            raise KafkaRefused(f"Kafka at {server} refuses this client: {why} ({error})") from error
        except (OSError, KafkaError, TimeoutError) as error:
            failures.append(f"{server}: {str(error) or type(error).__name__}")
    raise KafkaUnreachable(
        f"no Kafka broker answers ({'; '.join(failures)}). "
        f"Hint: look at XMON_KAFKA_BOOTSTRAP_SERVERS, the firewall, and XMON_KAFKA_SECURITY_PROTOCOL, "
        f"now {settings.security_protocol}."
    )


async def _topics(settings: KafkaSettings) -> set[str]:
    connection = await connect(settings)
    try:
        answer = await connection.send(MetadataRequest(None))  # all of them: asking for one by name may create it
    except (KafkaError, TimeoutError) as error:
        raise KafkaUnreachable(
            f"Kafka at {settings.bootstrap_servers} hangs up ({error}). "
            f"Hint: look at XMON_KAFKA_SECURITY_PROTOCOL, now {settings.security_protocol}."
        ) from error
    finally:
        connection.close()
    return {topic[1] for topic in answer.topics}


async def _warn_of_topics(settings: KafkaSettings, topics: Sequence[str]) -> None:
    """Names the topics in which events may become late, or be lost, uncounted. Nobody need allow this question."""
    try:
        configs = await _configs(settings, topics)
    except (KafkaError, KafkaUnreachable, TimeoutError) as error:
        log.debug("how the topics are configured was not answered: %r", error)
        return
    for topic, config in configs.items():
        for caution in CAUTIONS:
            if caution.unwanted in (found := config.get(caution.setting, "")):
                log.warning(
                    "topic %s has %s=%s: %s. Hint: kafka-configs.sh --bootstrap-server %s --entity-type topics "
                    "--entity-name %s --alter --add-config %s=%s",
                    *(topic, caution.setting, found, caution.why, settings.servers[0], topic, caution.setting, caution.better),
                )


async def _configs(settings: KafkaSettings, topics: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """Topic → what it has of the settings that are warned of, where we may know."""
    names = [caution.setting for caution in CAUTIONS]
    connection = await connect(settings)
    try:
        asked = [(ConfigResourceType.TOPIC.value, topic, names) for topic in topics]
        answer = await connection.send(DescribeConfigsRequest(asked))
    finally:
        connection.close()
    found = [(topic, entries) for error, _, _, topic, entries in answer.resources if not error]
    return {topic: {name: value or "" for name, value, *_ in entries} for topic, entries in found}


async def _pause(stop: asyncio.Event) -> None:
    try:
        await asyncio.wait_for(stop.wait(), PAUSE_SECONDS)
    except TimeoutError:
        return
