"""Settings of a broker and a group nobody else uses."""

import pytest

from streams.kafka.settings import KafkaSettings
from tests.services.kafka import KafkaServer


@pytest.fixture
def settings(kafka: KafkaServer, topic_prefix: str) -> KafkaSettings:
    return KafkaSettings(
        bootstrap_servers=kafka.bootstrap,
        group_id=f"{topic_prefix}group",
        topic_prefix=topic_prefix,
        fetch_max_wait_ms=20,
    )
