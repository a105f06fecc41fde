"""How a process ends: in order, within a time, at once when asked twice."""

import asyncio
import os
import signal

import pytest

from monitor.lifetime import AT_ONCE, stop_on_signals, together, until
from streams.kafka.exit_codes import ExitCode


async def test_the_first_signal_asks() -> None:
    """SIGTERM sets the event, and the process goes on until it has ended in order."""
    with stop_on_signals() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(stop.wait(), 5)


async def test_the_second_signal_ends_at_once() -> None:
    """Ctrl-C twice does not wait."""
    ended: list[int] = []
    with stop_on_signals(exit_process=ended.append) as stop:
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0)
    assert ended == [AT_ONCE]


async def test_an_end_that_takes_too_long_is_forced() -> None:
    """A thread of its own ends the process, so that a blocked loop cannot prevent it."""
    ended = asyncio.Event()
    loop, codes = asyncio.get_running_loop(), []

    def exit_process(code: int) -> None:
        codes.append(code)
        loop.call_soon_threadsafe(ended.set)

    with stop_on_signals(deadline_seconds=0.01, exit_process=exit_process):
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(ended.wait(), 5)
    assert codes == [ExitCode.STOP_TIMEOUT]


async def test_a_failure_ends_the_others_in_order() -> None:
    """Parts are asked, not cancelled, and the failure is raised once they have ended."""
    stop, order = asyncio.Event(), []

    async def fails() -> None:
        raise OSError("gone")

    async def tidy() -> None:
        await stop.wait()
        await asyncio.sleep(0)
        order.append("tidied")

    with pytest.raises(OSError, match="gone"):
        await together(stop, fails(), tidy())
    assert order == ["tidied"]


async def test_an_endless_part_ends_with_the_stop() -> None:
    """What has no end of its own is cancelled."""
    stop = asyncio.Event()
    stop.set()
    await asyncio.wait_for(until(stop, asyncio.sleep(1000)), 5)
