"""The command line: what can be foreseen to fail is one line with a hint, and an exit code of its own kind."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer.main
from confluent_kafka import Consumer, Producer, TopicPartition

from monitor import cli
from monitor.embedded import Embedded, embedded
from tests.services.service import free_port

XMON = [sys.executable, "-m", "monitor.cli"]
NOWHERE = "127.0.0.1:1"
EVENT = {"id": "e1", "app": "shop", "session": "s1", "url": "https://shop.example/", "duration_ms": 900}


def environment(**settings: object) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("XMON_")}
    return own | {f"XMON_{name.upper()}": str(value) for name, value in settings.items()}


def xmon(*words: str, given: str = "", **settings: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*XMON, *words], input=given, capture_output=True, text=True, timeout=60, env=environment(**settings), check=False
    )


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(typer.main.get_command(cli.app)))


@pytest.fixture
async def both() -> Any:
    async with embedded() as running:
        yield running


def failed(answer: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    """One line on stderr, no stack, the code, and the words."""
    assert answer.returncode == code, answer.stderr
    assert "Traceback" not in answer.stderr
    assert len(answer.stderr.strip().splitlines()) == 1, answer.stderr
    for word in words:
        assert word in answer.stderr


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...]) -> None:
    """A command has a text and an example that begins with its own name."""
    command = COMMANDS[path]
    assert command.help
    assert f"xmon {' '.join(path)}" in command.epilog


def test_help_is_quick() -> None:
    """`xmon --help` imports none of the heavy libraries."""
    code = "import sys, monitor.cli; print([n for n in ('numpy', 'faust', 'aiokafka', 'redis', 'fastapi') if n in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_bad_setting_is_code_2() -> None:
    """The name, the problem and a hint."""
    failed(xmon("serve", serve_port="abc"), 2, "XMON_SERVE_PORT", "'abc'", "Hint")


def test_an_unknown_setting_is_a_warning() -> None:
    """A misspelled name does not stop anything, but is told with the nearest."""
    answer = xmon("rules", "check", rule_file="x")
    assert "XMON_RULE_FILE: there is no such setting. Hint: did you mean XMON_RULES_FILE?" in answer.stderr


def test_no_broker_is_code_3() -> None:
    """The address is named."""
    for words in (("topics", "list"), ("dlq", "list"), ("topics", "create", "--partitions", "3")):
        failed(xmon(*words, kafka_bootstrap_servers=NOWHERE), 3, NOWHERE)


def test_send_without_a_broker_is_code_3() -> None:
    """Nothing is published, and that is said."""
    failed(xmon("send", "-", given=json.dumps({"family": "page-load", **EVENT}), kafka_bootstrap_servers=NOWHERE), 3)


def test_a_wrong_password_is_code_4(start_redis: Callable[..., Any]) -> None:
    """Redis's refusal ends a role at once; waiting would not help."""
    url = start_redis(password="right").url
    failed(xmon("serve", redis_url=url.replace("right", "wrong"), serve_port=0), 4, "password")


def test_a_port_in_use_is_code_5(both: Embedded) -> None:
    """The address and the setting that chose it are named."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed(xmon("serve", redis_url=both.redis_url, serve_port=port), 5, f"127.0.0.1:{port}", "XMON_SERVE_PORT")


def test_a_mistake_in_rules_is_code_6(tmp_path: Path) -> None:
    """File, line and column."""
    file = tmp_path / "rules.yaml"
    file.write_text("rules:\n  - name: x\n    summary: x\n    figure: page_lod_seconds\n    above: {warning: 1}\n")
    failed(xmon("rules", "check", str(file)), 6, f"{file}:4:", "page_load_seconds")


def test_the_demos_rules_have_no_mistake() -> None:
    """They name figures that exist."""
    answer = xmon("rules", "check", "monitor/demo/rules.yaml")
    assert answer.returncode == 0, answer.stderr
    assert "no mistake" in answer.stdout


def test_a_fault_of_the_program_is_code_70(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody foresaw keeps its stack, for whoever mends it."""

    def broken() -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 70
    assert "fault of the program: ZeroDivisionError('oh')" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "line 1: it is no JSON"),
        ("[]", "line 1: an event is a JSON object"),
        ('{"app": "a"}', "line 1: it has no family"),
        ('{"app": "a", "family": "page-lod"}', "line 1: there is no family 'page-lod'"),
        ('{"family": "page-load"}', "line 1: it would be refused as missing_field"),
    ],
)
def test_send_refuses_what_would_be_refused(both: Embedded, line: str, words: str) -> None:
    """A mistake is told with its line before it becomes a dead letter."""
    failed(xmon("send", "-", given=line, kafka_bootstrap_servers=both.kafka_bootstrap_servers), 2, words)


def test_send_without_a_topic_says_so_at_once(both: Embedded) -> None:
    """A producer would wait for it most of a minute."""
    line, began = json.dumps({"family": "app-crash", "app": "shop", "error": "E"}), time.monotonic()
    failed(xmon("send", "-", given=line, kafka_bootstrap_servers=both.kafka_bootstrap_servers), 3, "xmon topics create")
    assert time.monotonic() - began < 20


def test_send_publishes_with_the_familys_key(both: Embedded, tmp_path: Path) -> None:
    """Lines of several families reach their topics, keyed as the model says."""
    create_topics(both.kafka_bootstrap_servers, "page-load", "link-error", "contact")
    link = {"family": "link-error", "app": "shop", "target": "https://shop.example/orders/77?x=1", "status": 404}
    contact = {"family": "contact", "app": "shop", "contact": "c1", "state": "queued"}
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(json.dumps(e) for e in ({"family": "page-load", **EVENT}, link, contact)) + "\n\n")
    answer = xmon("send", str(file), "--json", kafka_bootstrap_servers=both.kafka_bootstrap_servers)
    assert json.loads(answer.stdout) == {"sent": 3}, answer.stderr
    keys = {topic: read_keys(both.kafka_bootstrap_servers, topic) for topic in ("page-load", "link-error", "contact")}
    assert keys == {"page-load": [b"s1"], "link-error": [b"shop.example/orders/:id"], "contact": [b"c1"]}


def create_topics(servers: str, *families: str) -> None:
    """The embedded broker makes those that a producer asks for."""
    producer = Producer({"bootstrap.servers": servers})
    for family in families:
        producer.list_topics(f"experience.{family}", 20)


def read_keys(servers: str, family: str) -> list[bytes | None]:
    consumer = Consumer({"bootstrap.servers": servers, "group.id": "test"})
    consumer.assign([TopicPartition(f"experience.{family}", number, 0) for number in range(4)])
    try:
        record = consumer.poll(20)
        return [record.key()] if record else []
    finally:
        consumer.close()


def test_dead_letters_of_an_empty_cluster(both: Embedded) -> None:
    """No topic yet is no error."""
    answer = xmon("dlq", "list", kafka_bootstrap_servers=both.kafka_bootstrap_servers)
    assert (answer.returncode, answer.stdout) == (0, "No dead letters.\n"), answer.stderr


@pytest.mark.kafka
def test_topics_are_created_and_listed(kafka: Any, topic_prefix: str) -> None:
    """Creating is safe to repeat, and never changes what exists."""
    settings: Mapping[str, str] = {"kafka_bootstrap_servers": kafka.bootstrap, "topic_prefix": topic_prefix}
    first = json.loads(xmon("topics", "create", "--partitions", "2", "--json", **settings).stdout)
    again = json.loads(xmon("topics", "create", "--partitions", "3", "--json", **settings).stdout)
    assert {row["created"] for row in first} == {True}
    assert {(row["created"], row["partitions"]) for row in again} == {(False, 2)}
    listed = json.loads(xmon("topics", "list", "--json", **settings).stdout)
    assert listed["missing"] == []
    assert {row["partitions"] for row in listed["topics"]} == {2}


def test_schema_prints_what_it_is_asked_for() -> None:
    """A family's JSON Schema, or the names of all."""
    assert json.loads(xmon("schema", "page-load").stdout)["required"] == ["app"]
    assert "contact" in xmon("schema").stdout.splitlines()
    failed(xmon("schema", "page-lod"), 2, "page-lod", "page-load")


def test_a_role_ends_in_order(both: Embedded) -> None:
    """SIGTERM ends `serve` with 0 and without a word of complaint; its health check answers before and not after."""
    port = free_port()
    with started("serve", redis_url=both.redis_url, serve_port=port, log_level="ERROR") as process:
        wait_until_it_answers(port)
        assert xmon("healthcheck", "serve", serve_port=port).returncode == 0
        process.send_signal(signal.SIGTERM)
        _, complaints = process.communicate(timeout=60)
    assert (process.returncode, complaints) == (0, "")
    assert xmon("healthcheck", "serve", serve_port=port).returncode == 1


@pytest.mark.parametrize(
    ("role", "host", "listening"),
    [
        ("serve", "127.0.0.2", "127.0.0.2"),
        ("worker", "127.0.0.2", "127.0.0.2"),
        ("serve", "0.0.0.0", "127.0.0.1"),
        ("serve", "::1", "::1"),
        ("worker", "::", "::1"),
    ],
)
def test_health_is_asked_for_where_the_role_listens(role: str, host: str, listening: str) -> None:
    """At the address of the settings; at every address means at this machine's own."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

    class Server(HTTPServer):
        address_family = socket.AF_INET6 if ":" in listening else socket.AF_INET

    try:
        server = Server((listening, 0), Healthy)
    except OSError:
        pytest.skip(f"this machine has no {listening}")
    with server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        answer = xmon("healthcheck", role, **{f"{role}_host": host, f"{role}_port": server.server_port})
    assert answer.returncode == 0, answer.stderr


@contextmanager
def started(*words: str, **settings: object) -> Iterator[subprocess.Popen[str]]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*XMON, *words], text=True, env=environment(**settings), **pipes)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def wait_until_it_answers(port: int) -> None:
    until = time.monotonic() + 60
    while True:
        try:
            connection = HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", "/healthz")
            assert connection.getresponse().status == 200
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            return
