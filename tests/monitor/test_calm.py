"""What is heard of libraries that repeat themselves."""

import logging

from monitor.calm import Calm


def test_what_repeats_itself_is_heard_once_in_a_while_and_all_else_always() -> None:
    """Each kind of message of a library, and of what waits for a server, has its half minute; arguments make no new kind."""
    now = 0.0
    calm = Calm(30, lambda: now)

    def heard(name: str, text: str, *values: object) -> bool:
        return bool(calm.filter(logging.LogRecord(name, logging.ERROR, "", 0, text, values, None)))

    assert heard("aiokafka.client", "no node %s", 1)
    assert not heard("aiokafka.client", "no node %s", 2)
    assert heard("aiokafka.client", "no metadata")
    assert heard("aiokafkaesque", "no node %s", 1)
    assert heard("streams.kafka.log", "%s failed, trying again", "reading a topic's id")
    assert not heard("streams.kafka.log", "%s failed, trying again", "reading the bounds of a log")
    assert heard("streams.patience", "%s: %s failed, trying again: %s", "page-load 0", "a checkpoint", "away")
    assert not heard("streams.patience", "%s: %s failed, trying again: %s", "page-load 1", "reading", "away")
    assert heard("monitor.connections", "Redis is full")
    assert not heard("monitor.connections", "Redis is full")
    assert heard("monitor.connections", "Redis is away")
    assert all(heard("streams.runner", "again") for _ in range(3))
    now = 30.0
    assert heard("aiokafka.client", "no node %s", 1)
