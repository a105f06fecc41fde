"""Whatever lands in a topic, the stream goes on."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaProducer

from tests.e2e.monitor import Monitor
from tests.services.kafka import KafkaServer

pytestmark = pytest.mark.kafka

TEN_MEGABYTES = 10 * 1024 * 1024
HOUR_MS = 3_600_000
GOOD = b'{"app": "shop", "duration_ms": 1}'


def bad(now_ms: int) -> list[tuple[str, bytes | None]]:
    """Reason and value."""
    return [
        ("invalid_json", b'{"app": "shop", "duration_ms": 1'),
        ("invalid_json", b"{'app': 'shop'}"),
        ("invalid_json", b""),
        ("invalid_json", b'{"app": "shop"}{"app": "shop"}'),
        ("invalid_json", b'{"app": "shop", "page": "\\ud800"}'),
        ("invalid_json", b'{"app": "shop", "attributes": ' + b"[" * 100_000),
        ("not_an_object", b'"shop"'),
        ("not_an_object", b'[{"app": "shop"}]'),
        ("wrong_type", b'{"app": "shop", "duration_ms": "fast"}'),
        ("wrong_type", b'{"app": 7}'),
        ("wrong_type", b'{"app": "shop", "timestamp": "yesterday"}'),
        ("out_of_range", b'{"app": "shop", "duration_ms": -1}'),
        ("not_finite", b'{"app": "shop", "cls": NaN}'),
        ("not_finite", b'{"app": "shop", "duration_ms": 1e400}'),
        ("missing_field", b'{"duration_ms": 1}'),
        ("missing_field", b"{}"),
        ("too_long", json.dumps({"app": "x" * 10_000}).encode()),
        ("clock_skew", json.dumps({"app": "shop", "timestamp": now_ms + HOUR_MS}).encode()),
        ("too_large", json.dumps({"app": "shop", "padding": "x" * TEN_MEGABYTES}).encode()),
        ("null_value", None),
        ("not_utf8", b'{"app": "\xff\xfe"}'),
    ]


async def send(bootstrap: str, topic: str, values: Sequence[bytes | None]) -> None:
    """In order; what kcat cannot: no value at all, and a very large one."""
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, max_request_size=2 * TEN_MEGABYTES) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, key=b"k")


def test_every_bad_record_is_a_dead_letter_and_the_good_ones_around_it_count(monitor: Monitor, kafka: KafkaServer) -> None:
    """Each is counted under its reason and can be looked at; the same worker goes on with the next record."""
    records = bad(int(time.time() * 1000))
    values = [GOOD, *(value for _, value in records for value in (value, GOOD))]
    monitor.create_topics(1)
    worker, serve = monitor.start("worker"), monitor.start("serve")

    asyncio.run(send(kafka.bootstrap, monitor.topic("page-load"), values))
    scrape = serve.settled(len(values))

    assert worker.lives()
    assert scrape.of("xmon_page_views_total", "shop") == len(records) + 1
    by_reason = Counter(reason for reason, _ in records)
    assert scrape.by("xmon_dead_letters_total", "reason") == {(reason,): n for reason, n in by_reason.items()}
    assert {key[:2] for key in scrape.by("xmon_page_views_total", "app", "environment", "dimension", "value")} == {
        ("shop", "production")
    }
    dead_letters_can_be_looked_at(monitor, records)


def dead_letters_can_be_looked_at(monitor: Monitor, records: Sequence[tuple[str, bytes | None]]) -> None:
    listed = monitor.xmon("dlq", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    counts: Counter[str] = Counter()
    for row in json.loads(listed.stdout):
        assert row["topic"] == monitor.topic("page-load")
        assert row["detail"]
        counts[row["reason"]] += row["count"]
    assert counts == Counter(reason for reason, _ in records)

    shown = monitor.xmon("dlq", "show", "--limit", "100", "--json")
    letters = sorted((json.loads(line) for line in shown.stdout.splitlines()), key=lambda letter: place(letter["record"]))
    assert [place(letter["record"]) for letter in letters] == [  # each second record is a good one
        (monitor.topic("page-load"), 0, 2 * number + 1) for number in range(len(records))
    ]
    for letter, (reason, value) in zip(letters, records, strict=True):
        assert (letter["reason"], letter["key"]) == (reason, "k")
        text = None if value is None else value.decode(errors="replace")
        assert letter["value"] == text or (reason in {"too_large", "invalid_json"} and "cut" in letter["value"])
    one = monitor.xmon("dlq", "show", "--reason", "too_large")
    assert "at most" in one.stdout
    assert f"cut, {len(records[18][1] or b'')} bytes" in one.stdout


def place(record: str) -> tuple[str, int, int]:
    topic, partition, offset = record.rsplit(":", 2)
    return topic, int(partition), int(offset)
