"""`xmon bench`: the measure of an installation."""

import secrets
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.commands import common

if TYPE_CHECKING:
    from monitor.bench.load import Load
    from monitor.bench.report import Report
    from monitor.settings import Settings

Rate = Annotated[int, typer.Option(min=1, max=1_000_000, help="Events a second.")]
Seconds = Annotated[int, typer.Option(min=1, max=3400, help="For how long: it is counted in a window of an hour at most.")]
Url = Annotated[str | None, typer.Option(help="Of `serve`; else as XMON_SERVE_HOST and _PORT say.", show_default=False)]


def bench(rate: Rate = 1000, seconds: Seconds = 30, url: Url = None, as_json: common.AsJson = False) -> None:
    """Measure an installation: publish page loads at a rate, and watch them being counted.

    Events of about 300 bytes, keyed by session, go to the page-load topic of the brokers in the settings. They are of an app
    and an environment of their own (xmon-bench, benchmark) and each run is a release of its own, so they mix with nobody's
    figures and are counted exactly. The app stays in the list of apps, and the releases until others need their room.

    Latency is the time from when an event was due to be sent until `serve` tells a count that includes it. `serve` reads once
    a second, so up to a second of it is by design. Events are taken to be counted in the order in which they were sent. CPU is
    of one process: with several workers that is one of them, and under `xmon run` it includes `serve`.

    Exit code 7 when events are lost, counted twice, or not acknowledged or counted in time, 5 when `serve` tells no figures.
    """
    from monitor.bench.load import Load
    from monitor.failures import Code

    settings = common.settings_in_force(brief=True)
    load = Load(rate, seconds, secrets.token_hex(4))
    report = common.run(_measure(settings, load, url or _url(settings.serve_host, settings.serve_port), quiet=as_json))
    _tell(report, as_json=as_json)
    if remark := report.remark():
        common.warn(remark)
    if problem := report.problem():
        common.warn(problem)
        raise typer.Exit(Code.MISCOUNTED)


async def _measure(settings: "Settings", load: "Load", url: str, *, quiet: bool) -> "Report":
    from functools import partial

    import httpx

    from monitor.bench.measurement import Measurement
    from monitor.bench.serve import Serve, cpu_seconds
    from monitor.connections import kafka_settings
    from streams.kafka.publish import Publisher

    worker, topic = _url(settings.worker_host, settings.worker_port), f"{settings.topic_prefix}page-load"
    async with httpx.AsyncClient(timeout=10) as client, Publisher(kafka_settings(settings)) as publisher:
        with common.progress(quiet=quiet) as bar:
            tasks = [bar.add_task(name, total=load.events) for name in ("published", "counted")]

            def show(*done: int) -> None:
                for task, number in zip(tasks, done, strict=True):
                    bar.update(task, completed=number)

            cpu = partial(cpu_seconds, client, worker)
            return await Measurement(load, publisher, Serve(client, url, topic), worker_cpu=cpu, show=show).run()


def _tell(report: "Report", *, as_json: bool) -> None:
    if as_json:
        common.say_json(report.as_json())
        return
    for name, value in report.lines():
        common.say(f"{name:<14}{value}")


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
