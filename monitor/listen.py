"""Listening: an address is taken before anything else starts, and served until it is time to stop."""

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import uvicorn
from starlette.types import ASGIApp

from monitor.failures import AddressTaken

LOCAL = ["127.0.0.1", "localhost"]
GRACE_SECONDS = 1  # what is still open then is cut
MOST_CONNECTIONS = 500  # beyond it 503: those that say nothing would use up the process's files


def bind(host: str, port: int, setting: str) -> socket.socket:
    """A listening socket, or `AddressTaken` with the name of the setting that chose the address."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = os.strerror(error.errno).lower() if error.errno and error.errno > 0 else str(error)
        raise AddressTaken(f"cannot listen on {host}:{port} ({reason}). Hint: choose another one with {setting}.") from None


def _nothing() -> None:
    pass


def host_names(host: str, public_url: str | None) -> list[str]:
    """The names under which a server is asked. One that only this machine can reach answers to this machine's names and to
    its public one: else a page on the web could read it through a name of its own that leads here."""
    if host not in {"127.0.0.1", "localhost"}:
        return ["*"]
    public = urlsplit(public_url).hostname if public_url else None
    return [*LOCAL, public] if public else LOCAL


async def serve_http(
    app: ASGIApp, listening: socket.socket, stop: asyncio.Event, closing: Callable[[], None] = _nothing
) -> None:
    """Answers until `stop` is set; then `closing` ends what would never end, and open requests end quickly."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    server = _Server(config)

    async def end() -> None:
        await stop.wait()
        closing()
        server.should_exit = True

    async with asyncio.TaskGroup() as group:
        ending = group.create_task(end())
        await server.serve(sockets=[listening])
        ending.cancel()


class _Server(uvicorn.Server):
    """Signals belong to the process (`lifetime.py`), not to one of its parts."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
