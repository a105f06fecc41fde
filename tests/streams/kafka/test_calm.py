"""What is heard of libraries that repeat themselves."""

import logging

from streams.kafka.calm import Calm


def test_a_library_is_heard_once_in_a_while_and_our_own_code_always() -> None:
    """Each kind of message has its own half minute; arguments make no new kind."""
    now = 0.0
    calm = Calm(30, lambda: now)

    def heard(name: str, text: str, *values: object) -> bool:
        return bool(calm.filter(logging.LogRecord(name, logging.ERROR, "", 0, text, values, None)))

    assert heard("aiokafka.client", "no node %s", 1)
    assert not heard("aiokafka.client", "no node %s", 2)
    assert heard("aiokafka.client", "no metadata")
    assert heard("aiokafkaesque", "no node %s", 1)
    assert all(heard("streams.kafka.log", "again") for _ in range(3))
    now = 30.0
    assert heard("aiokafka.client", "no node %s", 1)
