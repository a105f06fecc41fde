"""How soon an event is seen: in the figures of `serve` at a steady rate, by `xmon bench`, and by a webhook.

Latency is the time from when an event was due to be sent until the figure that `/metrics`, API and page read includes it.
"""

import json
import statistics
from collections.abc import Iterator, Sequence

from benchmarks.arena import Arena, Line, Scale
from benchmarks.markdown import Target, markdown
from benchmarks.webhook import alert_delays
from tests.e2e.monitor import Monitor, Process, eventually

PARTITIONS = 4
QUANTILES = ("p50", "p95", "p99", "max")


def lines(arena: Arena, scale: Scale) -> Iterator[Line]:
    """A line for each run of `xmon bench`, and one for each alert."""
    with arena.monitor("latency") as monitor:
        monitor.create_topics(PARTITIONS)
        worker, serve = monitor.start("worker"), monitor.start("serve")
        eventually(lambda: _complete(serve))
        for _ in range(scale.rounds):
            yield seen(monitor, worker, serve, scale)
    with arena.monitor("alerts") as monitor:
        monitor.create_topics(PARTITIONS)
        for seconds in alert_delays(monitor, arena.kafka.bootstrap, arena.folder, scale.alerts):
            yield {"what": "alert", "seconds": seconds}


def _complete(serve: Process) -> None:
    assert serve.json("/healthz")["complete"]


def seen(monitor: Monitor, worker: Process, serve: Process, scale: Scale) -> Line:
    """One run of `xmon bench` on what runs."""
    words = ("bench", "--rate", scale.rate, "--seconds", scale.seconds, "--json")
    where = {"XMON_WORKER_PORT": worker.port, "XMON_SERVE_PORT": serve.port}
    done = monitor.xmon(*map(str, words), **where)
    if not done.stdout:
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout)
    facts = {name: found[name] for name in ("sent", "lost", "twice", "behind_seconds", "worker_cpu")}
    return {"what": "figure", "rate": scale.rate, **facts, **{name: found["latency"][name] for name in QUANTILES}}


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(int(share * len(values)), len(values) - 1)]


def summary(found: Sequence[Line]) -> dict[str, dict[str, float]]:
    """Seconds by what is waited for and quantile; of runs the medians."""
    runs, delays = ([line for line in found if line["what"] == what] for what in ("figure", "alert"))
    alerts = [line["seconds"] for line in delays]
    of_alerts = {"p50": quantile(alerts, 0.5), "p95": quantile(alerts, 0.95), "p99": quantile(alerts, 0.99), "max": max(alerts)}
    return {"figure": {name: statistics.median(run[name] for run in runs) for name in QUANTILES}, "alert": of_alerts}


def table(found: Sequence[Line]) -> str:
    runs, seconds = [line for line in found if line["what"] == "figure"], summary(found)
    what = {
        "figure": f"to the figure, at {runs[0]['rate']:,} events/s, {len(runs)} × {runs[0]['sent']:,} events",
        "alert": f"to the webhook, `for: 0s`, {len(found) - len(runs)} alerts",
    }
    rows = [[what[name], *(f"{seconds[name][q]:.2f}" for q in QUANTILES)] for name in what]
    return markdown(["seconds from send", "median", "p95", "p99", "longest"], rows)


def targets(found: Sequence[Line]) -> Iterator[Target]:
    runs, seconds = [line for line in found if line["what"] == "figure"], summary(found)
    yield Target("from send to the figure, p95", seconds["figure"]["p95"], 1.5, " s")
    yield Target("from send to the figure, p99", seconds["figure"]["p99"], 2.5, " s")
    yield Target("from send to the webhook, p95", seconds["alert"]["p95"], 3, " s")
    cpu = 100 * statistics.median(run["worker_cpu"] for run in runs)
    yield Target(f"worker's share of a core at {runs[0]['rate']:,} events/s", cpu, 15, " %")
    yield Target("events lost or counted twice", sum(run["lost"] + run["twice"] for run in runs), 0)
