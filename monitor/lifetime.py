"""How a process ends: asked once it stops in good order, but not for ever; asked twice it goes at once."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from streams.kafka.exit_codes import ExitCode

DEADLINE_SECONDS = 25.0
AT_ONCE = 130


@contextmanager
def stop_on_signals(
    deadline_seconds: float = DEADLINE_SECONDS, exit_process: Callable[[int], object] = os._exit
) -> Iterator[asyncio.Event]:
    """An event that SIGTERM or SIGINT sets. A thread of its own ends a process that has not ended by the deadline."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    overdue = threading.Timer(deadline_seconds, exit_process, [ExitCode.STOP_TIMEOUT])
    overdue.daemon = True

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        if overdue.is_alive():
            exit_process(AT_ONCE)
            return
        overdue.start()
        loop.call_soon_threadsafe(stop.set)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        overdue.cancel()
        for number, handler in before.items():
            signal.signal(number, handler)


async def together(stop: asyncio.Event, *parts: Coroutine[Any, Any, None]) -> None:
    """Runs parts that end by themselves once `stop` is set. When the first ends or fails, all are asked to end in order."""
    tasks = [asyncio.create_task(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    failures = [end for end in ends if isinstance(end, Exception)]
    if failures:
        raise failures[0] if len(failures) == 1 else ExceptionGroup("several parts failed", failures)


async def until(stop: asyncio.Event, endless: Coroutine[Any, Any, None]) -> None:
    """Runs a part that has no end of its own until `stop` is set."""
    async with asyncio.TaskGroup() as group:
        task, stopping = group.create_task(endless), group.create_task(stop.wait())
        await asyncio.wait([task, stopping], return_when=asyncio.FIRST_COMPLETED)
        task.cancel()
        stopping.cancel()
