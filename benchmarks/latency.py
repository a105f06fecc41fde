"""How soon an event is seen at a steady rate: in the figures that `/metrics`, API and page of `serve` read, and by a webhook.

`figure`: all events of a run of `xmon bench`, taken to be counted in the order in which they were sent. `marked`: single ones
among as many others, each of which is followed; those others have 500 series.
"""

import json
import statistics
import time
from collections.abc import Iterator, Sequence
from functools import partial
from math import ceil

import httpx

from benchmarks.arena import Arena, Line, Scale
from benchmarks.growth import MEDIUM
from benchmarks.machine import cpu_seconds
from benchmarks.markdown import Target, markdown
from benchmarks.marked import RULES, Marked, receiver
from benchmarks.trickle import Trickle
from tests.e2e.monitor import Monitor, Process, eventually

PARTITIONS = 4
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
PATIENCE_SECONDS = 120.0  # beyond the run, for whatever `xmon bench` waits for


def lines(arena: Arena, scale: Scale) -> Iterator[Line]:
    """A line for each run of `xmon bench`, one for each event that is followed, and one for the load among which they were."""
    with arena.monitor("latency") as monitor, receiver() as (url, heard):
        monitor.create_topics(PARTITIONS)
        rules = arena.folder / "rules.yaml"
        rules.write_text(RULES)
        worker = monitor.start("worker")
        serve = monitor.start("serve", XMON_RULES_FILE=rules, XMON_WEBHOOK_URL=url)
        eventually(lambda: _complete(serve))
        for _ in range(scale.rounds):
            yield seen(monitor, worker, serve, scale)
        topic, client = monitor.topic("page-load"), httpx.Client(base_url=serve.url, timeout=60)
        marked = Marked(arena.kafka.bootstrap, topic, partial(apps, client), heard)
        with client, Trickle(arena.kafka.bootstrap, topic, MEDIUM, scale.rate) as load:
            list(marked.delays("warm-up", 1))
            began, sent, cpu = time.monotonic(), load.sent, cpu_seconds(worker.pid)
            for figure, webhook in marked.delays("app", scale.alerts):
                yield {"what": "marked", "figure": figure, "webhook": webhook}
            seconds = time.monotonic() - began
            sent, cpu = load.sent - sent, cpu_seconds(worker.pid) - cpu
        yield {"what": "load", "series": MEDIUM.series, "rate": sent / seconds, "worker_cpu": cpu / seconds}


def apps(client: httpx.Client) -> list[str]:
    """Those of which failures are counted."""
    answer = client.get("/api/v1/figures", params={"figure": "page_load_failures", "statistic": "count", "window": "1m"})
    return [reading["series"]["app"] for reading in answer.raise_for_status().json()["readings"] if reading["value"]]


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
    runs, marked = of(found, "figure"), of(found, "marked")
    return {
        "run": {
            **{name: statistics.median(run[name] for run in runs) for name in QUANTILES},
            "max": max(run["max"] for run in runs),
        },
        "figure": quantiles([line["figure"] for line in marked]),
        "webhook": quantiles([line["webhook"] for line in marked]),
    }


def quantiles(seconds: Sequence[float]) -> dict[str, float]:
    """The one within which that share of them are."""
    ranked = sorted(seconds)
    return {name: ranked[ceil(share * len(ranked)) - 1] for name, share in QUANTILES.items()}


def of(found: Sequence[Line], what: str) -> list[Line]:
    return [line for line in found if line["what"] == what]


def table(found: Sequence[Line]) -> str:
    runs, marked, [load] = (of(found, what) for what in ("figure", "marked", "load"))
    what = {
        "run": f"to the figure, {len(runs)} × {runs[0]['sent']:,} events of `xmon bench`, the sender up to "
        f"{max(run['behind_seconds'] for run in runs):.2f} s late",
        "figure": f"to the figure, {len(marked)} single events among {load['series']} series",
        "webhook": "to the webhook, `for: 0s`, of the same events",
    }
    rows = [[what[name], *(f"{seconds[q]:.2f}" for q in QUANTILES)] for name, seconds in summary(found).items()]
    rates = f"{statistics.median(run['rate'] for run in runs):,.0f} and {load['rate']:,.0f} events/s"
    return markdown([f"seconds from send at {rates}", "median", "p95", "p99", "longest"], rows)


def targets(found: Sequence[Line]) -> Iterator[Target]:
    runs, [load], seconds = of(found, "figure"), of(found, "load"), summary(found)
    rate = f"at {runs[0]['asked_rate']:,} events/s"
    yield Target(f"from send to the figure {rate}, p95", max(seconds[one]["p95"] for one in ("run", "figure")), 1.5, " s")
    yield Target(f"from send to the figure {rate}, p99", max(seconds[one]["p99"] for one in ("run", "figure")), 2.5, " s")
    yield Target(f"from send to the webhook {rate}, p95", seconds["webhook"]["p95"], 3, " s")
    few = 100 * statistics.median(run["worker_cpu"] for run in runs)
    yield Target(f"worker's share of a core {rate}, some 35 series", few, 15, " %")
    yield Target(f"worker's share of a core {rate}, {load['series']} series", 100 * load["worker_cpu"], 15, " %")
    yield Target("events lost or counted twice", sum(run["lost"] + run["twice"] for run in runs), 0)
