"""`xmon bench` on a whole installation."""

import json

import pytest

from tests.e2e.monitor import Monitor, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
RATE, SECONDS = 500, 3
EVENTS = RATE * SECONDS


def test_a_run_is_counted_exactly(monitor: Monitor) -> None:
    """Twice, one after the other: neither counts what the other sent, and others see both."""
    monitor.create_topics(4)
    worker_port = monitor.start("worker").port
    serve = monitor.start("serve")
    eventually(lambda: ready(serve.json("/healthz")))
    where = {"XMON_SERVE_PORT": serve.port, "XMON_WORKER_PORT": worker_port}
    words = ("bench", "--rate", str(RATE), "--seconds", str(SECONDS))
    runs: dict[str, int] = {}
    for _ in range(2):
        done = monitor.xmon(*words, "--json", **where)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert [found[name] for name in ("acknowledged", "counted", "lost", "twice")] == [found["sent"]] * 2 + [0, 0]
        assert 0 < found["sent"] <= EVENTS
        assert found["latency"]["p50"] <= found["latency"]["p95"] <= found["latency"]["p99"] <= found["latency"]["max"]
        assert found["worker_cpu"] > 0
        runs[found["run"]] = found["sent"]
    totals = serve.newer().by("xmon_page_views_total", "app", "environment", "dimension", "value")
    assert {run: totals["xmon-bench", "benchmark", "release", run] for run in runs} == runs
    assert totals["xmon-bench", "benchmark", "all", "all"] == sum(runs.values())


def ready(health: dict[str, object]) -> None:
    assert health["complete"]
