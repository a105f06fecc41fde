"""Serving until it is time to stop, and stopping without loose ends."""

import asyncio
import logging

import httpx
import pytest

from monitor.api import create_app
from monitor.listen import bind, host_names, serve_http
from tests.monitor.fake_snapshot import FakeSource


async def test_open_event_streams_end_with_the_server(caplog: pytest.LogCaptureFixture) -> None:
    """A page that stays open neither delays the end nor leaves a traceback in the log."""
    stop, app = asyncio.Event(), create_app(FakeSource())
    with bind("127.0.0.1", 0, "XMON_SERVE_PORT") as listening, caplog.at_level(logging.WARNING):
        port = listening.getsockname()[1]
        serving = asyncio.create_task(serve_http(app, listening, stop, app.state.live.close))
        async with httpx.AsyncClient() as client, client.stream("GET", f"http://127.0.0.1:{port}/events") as answer:
            lines = answer.aiter_lines()
            assert (await anext(lines)).startswith("data: ")
            stop.set()
            assert [line async for line in lines][-1:] in ([], [""])
        await asyncio.wait_for(serving, 5)
    assert caplog.records == []


def test_a_local_server_answers_to_local_names_and_its_public_one() -> None:
    """A foreign page cannot read it through a name of its own that leads here; elsewhere any name may be right."""
    assert host_names("127.0.0.1", None) == ["127.0.0.1", "localhost"]
    assert host_names("127.0.0.1", "https://monitor.example/x") == ["127.0.0.1", "localhost", "monitor.example"]
    assert host_names("0.0.0.0", None) == ["*"]
