"""`xmon run`, `worker`, `serve`, `demo` and `healthcheck`."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from monitor.commands import common

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from monitor.settings import Settings

Port = Annotated[int | None, typer.Option(min=0, max=65535, help="Of the page, API and /metrics.", show_default=False)]
Seed = Annotated[int | None, typer.Option(help="The same seed tells the same story.", show_default=False)]
EventsOnly = Annotated[bool, typer.Option("--events-only", help="Publish to the brokers in the settings, run nothing.")]


def run(port: Port = None) -> None:
    """Run everything in one process: worker and serve."""
    from monitor import services

    _live(common.settings_in_force(serve_port=port), services.run)


def worker() -> None:
    """Consume events and keep their figures in Redis. Start as many as there are partitions and cores."""
    from monitor import services

    _live(common.settings_in_force(), partial(services.run, roles=["worker"]))


def serve(port: Port = None) -> None:
    """Show figures: live page, JSON API and /metrics; judge them and send alerts."""
    from monitor import services

    _live(common.settings_in_force(serve_port=port), partial(services.run, roles=["serve"]))


def demo(port: Port = None, seed: Seed = None, events_only: EventsOnly = False) -> None:
    """Watch a day in the life of two apps, with incidents, on a broker and a Redis that come along."""
    from monitor.demo import show

    settings = common.settings_in_force(serve_port=port)

    async def play(settings: "Settings", stop: asyncio.Event) -> None:
        if events_only:
            await show.publish(settings, stop, seed)
        else:
            await show.everything(settings, stop, seed, common.say)

    _live(settings, play)


def healthcheck(role: Annotated[Literal["serve", "worker"], typer.Argument()] = "serve") -> None:
    """Exit with 0 while the process of a role on this machine answers."""
    from http.client import HTTPConnection, HTTPException

    settings = common.settings_in_force()
    host, port = (settings.serve_host, settings.serve_port) if role == "serve" else (settings.worker_host, settings.worker_port)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - whoever is bound to all is asked on this machine
    connection = HTTPConnection(host, port, timeout=3)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        common.warn(f"nothing answers on {host}:{port} ({error})")
        raise typer.Exit(1) from None
    raise typer.Exit(0 if status == 200 else 1)  # noqa: PLR2004


def _live(settings: "Settings", role: "Callable[[Settings, asyncio.Event], Awaitable[None]]") -> None:
    from monitor.lifetime import stop_on_signals

    async def life() -> None:
        with stop_on_signals() as stop:
            await role(settings, stop)

    common.run(life())
