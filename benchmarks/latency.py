"""How soon an event is seen at a steady rate: in the figures of `serve`, by `xmon bench`, and by a webhook.

Latency is the time from when an event was due to be sent until the figure that `/metrics`, API and page read includes it.
"""

import json
import statistics
from collections.abc import Iterator, Sequence
from math import ceil

from benchmarks.arena import Arena, Line, Scale
from benchmarks.events import PageLoads
from benchmarks.markdown import Target, markdown
from benchmarks.trickle import Trickle
from benchmarks.webhook import RULES, delays, receiver
from tests.e2e.monitor import Monitor, Process, eventually

PARTITIONS = 4
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
PATIENCE_SECONDS = 120.0  # beyond the run, for whatever `xmon bench` waits for


def lines(arena: Arena, scale: Scale) -> Iterator[Line]:
    """A line for each run of `xmon bench`, and one for each alert."""
    with arena.monitor("latency") as monitor, receiver() as (url, heard):
        monitor.create_topics(PARTITIONS)
        rules = arena.folder / "rules.yaml"
        rules.write_text(RULES)
        worker = monitor.start("worker")
        serve = monitor.start("serve", XMON_RULES_FILE=rules, XMON_WEBHOOK_URL=url)
        eventually(lambda: _complete(serve))
        for _ in range(scale.rounds):
            yield seen(monitor, worker, serve, scale)
        with Trickle(arena.kafka.bootstrap, monitor.topic("page-load"), PageLoads(), scale.rate):
            for seconds in delays(arena.kafka.bootstrap, monitor.topic("link-error"), heard, scale.alerts):
                yield {"what": "alert", "seconds": seconds}


def _complete(serve: Process) -> None:
    assert serve.json("/healthz")["complete"]


def seen(monitor: Monitor, worker: Process, serve: Process, scale: Scale) -> Line:
    """One run of `xmon bench` on what runs. Raises RuntimeError where it has nothing to tell."""
    words = ("bench", "--rate", scale.rate, "--seconds", scale.seconds, "--json")
    where = {"XMON_WORKER_PORT": worker.port, "XMON_SERVE_PORT": serve.port}
    done = monitor.xmon(*map(str, words), seconds=scale.seconds + PATIENCE_SECONDS, **where)
    found = json.loads(done.stdout or "{}")
    if not found.get("counted") or found["worker_cpu"] is None:
        raise RuntimeError(done.stderr)
    facts = {name: found[name] for name in ("asked_rate", "rate", "sent", "lost", "twice", "behind_seconds", "worker_cpu")}
    return {"what": "figure", **facts, **{name: found["latency"][name] for name in QUANTILES}}


def summary(found: Sequence[Line]) -> dict[str, dict[str, float]]:
    """Seconds by what is waited for and quantile: of runs the medians, and the longest of all."""
    runs = [line for line in found if line["what"] == "figure"]
    alerts = sorted(line["seconds"] for line in found if line["what"] == "alert")
    figure = {name: statistics.median(run[name] for run in runs) for name in QUANTILES}
    return {
        "figure": {**figure, "max": max(run["max"] for run in runs)},
        "alert": {name: alerts[ceil(share * len(alerts)) - 1] for name, share in QUANTILES.items()},
    }


def table(found: Sequence[Line]) -> str:
    runs, seconds = [line for line in found if line["what"] == "figure"], summary(found)
    what = {
        "figure": f"to the figure, {len(runs)} × {runs[0]['sent']:,} events",
        "alert": f"to the webhook, `for: 0s`, {len(found) - len(runs)} alerts",
    }
    rate, behind = statistics.median(run["rate"] for run in runs), max(run["behind_seconds"] for run in runs)
    rows = [[what[name], *(f"{seconds[name][q]:.2f}" for q in QUANTILES)] for name in what]
    head = f"seconds from send at {rate:,.0f} events/s, the sender up to {behind:.2f} s late"
    return markdown([head, "median", "p95", "p99", "longest"], rows)


def targets(found: Sequence[Line]) -> Iterator[Target]:
    runs, seconds = [line for line in found if line["what"] == "figure"], summary(found)
    rate = f"at {runs[0]['asked_rate']:,} events/s"
    yield Target(f"from send to the figure {rate}, p95", seconds["figure"]["p95"], 1.5, " s")
    yield Target(f"from send to the figure {rate}, p99", seconds["figure"]["p99"], 2.5, " s")
    yield Target(f"from send to the webhook {rate}, p95", seconds["alert"]["p95"], 3, " s")
    yield Target(f"worker's share of a core {rate}", 100 * statistics.median(run["worker_cpu"] for run in runs), 15, " %")
    yield Target("events lost or counted twice", sum(run["lost"] + run["twice"] for run in runs), 0)
