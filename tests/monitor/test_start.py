"""What a process loads before it works."""

import subprocess
import sys

WORKER = "import sys, monitor.cli, monitor.services; print(*sys.modules)"
SERVE_ONLY = {"fastapi", "httpx", "jinja2", "prometheus_client", "alerts.service", "monitor.api", "streams.reading.reader"}


def test_a_worker_that_was_killed_is_back_soon() -> None:
    """It loads nothing that only `serve` needs, which is a third of all."""
    done = subprocess.run([sys.executable, "-c", WORKER], capture_output=True, text=True, timeout=60, check=True)
    assert "streams.kafka.worker" in done.stdout.split()
    assert SERVE_ONLY.isdisjoint(done.stdout.split())
