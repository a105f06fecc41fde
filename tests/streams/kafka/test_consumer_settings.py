"""What is set on aiokafka's consumer for which Faust has no setting."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from streams.kafka.app import build_app
from streams.kafka.consumer_thread import adjust
from streams.kafka.settings import KafkaSettings


async def test_a_consumer_reads_what_is_committed(tmp_path: Path) -> None:
    """And waits as long for as much as the settings say."""
    settings = KafkaSettings(bootstrap_servers="nowhere:9092", fetch_min_bytes=7, fetch_max_wait_ms=8)
    app = build_app(settings, str(tmp_path))
    consumer = app.consumer._new_consumer_thread()._create_worker_consumer(app.transport)
    assert (consumer._isolation_level, consumer._fetch_min_bytes, consumer._fetch_max_wait_ms) == ("read_committed", 7, 8)


def test_what_a_consumer_does_not_have_is_not_set_in_vain() -> None:
    """Under another name it would count what was aborted, and nobody would know."""
    consumer = SimpleNamespace(_fetch_min_bytes=1)
    with pytest.raises(AttributeError, match="has no _isolation_level"):
        adjust(consumer, _fetch_min_bytes=2, _isolation_level="read_committed")
    assert consumer == SimpleNamespace(_fetch_min_bytes=1)
