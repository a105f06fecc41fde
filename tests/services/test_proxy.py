"""The wire that fails: what nobody heard of was done all the same, and what was held is done when nobody expects it."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from tests.services.proxy import Proxy
from tests.services.redis import RedisServer
from tests.services.service import HOST

FAULT_SECONDS = 2.0


@pytest.fixture
def server(start_redis: Callable[[], RedisServer]) -> RedisServer:
    return start_redis()


@pytest.fixture
def wire(server: RedisServer) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture
def through(wire: Proxy) -> Redis:
    """A client that asks once, and is connected."""
    client = Redis(HOST, wire.port, retry=Retry(NoBackoff(), 0))
    client.set("n", 1)
    return client


def unheard(wire: Proxy, fault: Callable[[float], None], client: Redis) -> None:
    """Counts up while the fault lasts: the answer never comes."""
    with ThreadPoolExecutor() as other:
        done = other.submit(fault, FAULT_SECONDS)
        while not (wire.losing or wire.holding):
            assert not done.done(), "the fault passed unseen"
            time.sleep(0.001)
        with pytest.raises(RedisError):
            client.incr("n")
        done.result()


def test_without_a_fault_everything_passes(through: Redis) -> None:
    """Also what is larger than one read."""
    through.set("large", bytes(1_000_000))
    assert len(through.get("large")) == 1_000_000


def test_a_lost_reply_is_of_a_command_that_was_done(server: RedisServer, wire: Proxy, through: Redis) -> None:
    """The client sees its connection end; afterwards it is heard again."""
    unheard(wire, wire.lose_replies, through)
    assert Redis.from_url(server.url).get("n") == b"2"
    assert through.get("n") == b"2"


def test_the_reply_to_a_repetition_is_lost_too(server: RedisServer, wire: Proxy) -> None:
    """A client that waits in vain connects anew and asks again, and that is done as well."""
    client = Redis(HOST, wire.port, socket_timeout=FAULT_SECONDS / 4, retry=Retry(NoBackoff(), 1))
    client.set("n", 1)
    unheard(wire, wire.lose_replies, client)
    assert Redis.from_url(server.url).get("n") == b"3"
    assert (wire.lost, wire.lost_again) == (2, 1)


def test_a_held_command_is_done_when_it_is_delivered(server: RedisServer, wire: Proxy, through: Redis) -> None:
    """Not before, once, and after what the client did meanwhile."""
    unheard(wire, wire.hold_commands, through)
    assert through.set("n", 10)
    assert Redis.from_url(server.url).get("n") == b"10"
    wire.deliver(random.Random(1))
    wire.deliver(random.Random(1))
    assert Redis.from_url(server.url).get("n") == b"11"


def test_a_server_that_is_away_closes_the_connection(server: RedisServer, through: Redis) -> None:
    """And is reached again when it is back."""
    server.kill9()
    with pytest.raises(RedisError):
        through.get("n")
    server.start()
    assert through.get("n") == b"1"
