"""Addresses of brokers: what can be used, and what a person reads who wrote another."""

from pathlib import Path

import aiokafka.conn
import pytest

from monitor.settings import SettingsError, load
from streams.kafka.app import build_app
from streams.kafka.settings import KafkaSettings, address

WRONG = ["kafka", "kafka:", "127.0.0.1:x", "a:1,b", "::1:9092", "[::1]", "kafka://a:1", "a:70000", ", ,"]


@pytest.mark.parametrize("servers", WRONG)
def test_an_address_without_a_port_is_one_clear_line(servers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the name of the setting, the one address that is wrong, and how it is written."""
    monkeypatch.setenv("XMON_KAFKA_BOOTSTRAP_SERVERS", servers)
    words = r"^XMON_KAFKA_BOOTSTRAP_SERVERS: '.*' is not host:port.*Hint: brokers, `host:port"
    with pytest.raises(SettingsError, match=words) as told:
        load()
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("server", "found"),
    [("kafka.shop:9092", ("kafka.shop", 9092)), ("127.0.0.1:1", ("127.0.0.1", 1)), ("[::1]:9092", ("::1", 9092))],
)
def test_all_find_the_same_address(
    server: str, found: tuple[str, int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The check before the start, Faust, and aiokafka; IPv6 stands in brackets."""
    monkeypatch.setenv("XMON_KAFKA_BOOTSTRAP_SERVERS", f"{server}, {server}")
    settings = KafkaSettings(bootstrap_servers=load().kafka_bootstrap_servers)
    assert [address(one) for one in settings.servers] == [found, found]
    given = build_app(settings, str(tmp_path)).producer._settings_default()["bootstrap_servers"]
    for servers in (settings.servers, given):
        assert [(host, port) for host, port, _ in aiokafka.conn.collect_hosts(servers)] == [found, found]
