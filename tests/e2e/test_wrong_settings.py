"""What is set up wrongly ends at once, with one line that says what to do."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.monitor import Monitor
from tests.services.redis import RedisServer
from tests.services.service import free_port

pytestmark = pytest.mark.kafka

BAD_RULES = """
rules:
  - name: slow
    summary: page load time
    figure: page_lod_seconds
    above: {warning: 3}
"""


def refused(monitor: Monitor, code: int, says: str, *arguments: str, **settings: object) -> None:
    done = monitor.xmon(*arguments, **settings)
    said = [line for line in done.stderr.splitlines() if line.startswith("xmon: ")]
    assert done.returncode == code, done.stderr
    assert len(said) == 1, done.stderr
    assert says in said[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["worker", "serve", "run"])
def test_a_value_that_cannot_be_used(monitor: Monitor, command: str) -> None:
    """The setting is named, with its value and what it should be."""
    refused(monitor, 2, "XMON_LATENESS_SECONDS: ", command, XMON_LATENESS_SECONDS="two minutes")


def test_an_unreachable_broker(monitor: Monitor) -> None:
    """The address is named, and what to look at."""
    address = f"127.0.0.1:{free_port()}"
    refused(monitor, 3, "XMON_KAFKA_BOOTSTRAP_SERVERS", "topics", "list", XMON_KAFKA_BOOTSTRAP_SERVERS=address)


@pytest.mark.slow
def test_a_worker_gives_up_on_an_unreachable_broker(monitor: Monitor) -> None:
    """A worker waits half a minute for a broker that may be starting, and then says the same."""
    address = f"127.0.0.1:{free_port()}"
    refused(monitor, 3, "XMON_KAFKA_BOOTSTRAP_SERVERS", "worker", XMON_KAFKA_BOOTSTRAP_SERVERS=address)


@pytest.mark.parametrize("command", ["worker", "serve"])
def test_a_wrong_redis_password(monitor: Monitor, start_redis: Callable[..., RedisServer], command: str) -> None:
    """A Redis that refuses us is not waited for."""
    redis = start_redis(password="right")
    url = f"redis://127.0.0.1:{redis.port}"
    refused(monitor, 4, "check user and password", command, XMON_REDIS_URL=url, XMON_REDIS_PASSWORD="wrong")


@pytest.mark.parametrize(("command", "setting"), [("serve", "XMON_SERVE_PORT"), ("worker", "XMON_WORKER_PORT")])
def test_a_port_in_use(monitor: Monitor, redis_server: RedisServer, command: str, setting: str) -> None:
    """The setting that chose the port is named."""
    refused(monitor, 5, setting, command, **{setting: redis_server.port})


def test_a_mistake_in_a_rule_file(monitor: Monitor, tmp_path: Path) -> None:
    """File, line and column, and the name that was probably meant."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(BAD_RULES)
    refused(monitor, 6, f"{rules}:5:", "serve", XMON_RULES_FILE=rules)
    refused(monitor, 6, "did you mean `page_load_seconds`?", "serve", XMON_RULES_FILE=rules)
