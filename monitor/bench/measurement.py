"""The whole way: publish by the clock, watch the count meanwhile, wait for the last event, report."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count

from monitor.bench.latency import Latencies, Seen
from monitor.bench.load import Load
from monitor.bench.report import Report
from monitor.bench.sender import Publishes, Sender
from monitor.bench.serve import Serve
from monitor.failures import NotServing
from streams.events.page_load import FAMILY
from streams.reading.snapshot import WINDOWS

ASK_SECONDS = 0.1
LAG_EVERY = 10  # of these
READY_SECONDS = 10.0
SETTLE_SECONDS = 2.0  # after the last was counted: what is counted twice comes late
PATIENCE_SECONDS = 30.0  # for what Kafka has not acknowledged, and without another event counted
MARGIN_SECONDS = 20.0  # a window ends with a pane of 10 s, and clocks differ
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def window_of(load: Load) -> str:
    """The shortest window that holds the load, a worker that takes twice as long, and the wait."""
    needed = 2 * load.seconds + PATIENCE_SECONDS + MARGIN_SECONDS
    return next((name for name, ms in WINDOWS.items() if ms >= 1000 * needed), "1h")


class Measurement:
    """One run. `show` hears how many events were sent and how many were counted."""

    def __init__(
        self,
        load: Load,
        publisher: Publishes,
        serve: Serve,
        *,
        worker_cpu: Callable[[], Awaitable[float | None]],
        show: Callable[[int, int], object],
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._load, self._publisher, self._serve = load, publisher, serve
        self._worker_cpu, self._show, self._patience = worker_cpu, show, patience_seconds
        self._sender = Sender(load, publisher)
        self._window = window_of(load)
        self._seen = [Seen(0.0, 0)]
        self._lag = 0
        self._begun = 0.0

    async def run(self) -> Report:
        """Raises `NotServing` where the count cannot be had, and what the publisher raises."""
        await self._publisher.require(FAMILY)
        await self._serve.ready(min(READY_SECONDS, self._patience))
        cpu_before = await self._worker_cpu()
        self._begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(self._watch())
            await self._publish()
            cpu = self._share(cpu_before, await self._worker_cpu())
            await self._until_counted()
            watching.cancel()
        return await self._report(cpu)

    async def _publish(self) -> None:
        with suppress(TimeoutError):  # what was not acknowledged is told
            async with asyncio.timeout(self._load.seconds + self._patience):
                await self._sender.run(self._begun)

    async def _watch(self) -> None:
        for turn in count():
            with suppress(NotServing):  # it may be back in time
                self._note(await self._counted())
                if turn % LAG_EVERY == 0:
                    self._lag = max(self._lag, await self._serve.lag())
            self._show(self._sender.sent, self._seen[-1].count)
            await asyncio.sleep(ASK_SECONDS)

    async def _counted(self) -> int:
        return await self._serve.counted(self._load.run, self._window)

    def _note(self, counted: int) -> None:
        if counted > self._seen[-1].count:
            self._seen.append(Seen(time.monotonic() - self._begun, counted))

    async def _until_counted(self) -> None:
        """Returns when the count has settled, has not risen for long, or the first events would leave the window."""
        sent = time.monotonic() - self._begun
        latest = WINDOWS[self._window] / 1000 - MARGIN_SECONDS
        while True:
            last = self._seen[-1]
            wait = SETTLE_SECONDS if last.count >= self._publisher.acknowledged else self._patience
            if time.monotonic() - self._begun >= min(max(sent, last.seconds) + wait, latest):
                return
            await asyncio.sleep(ASK_SECONDS)

    def _share(self, cpu_before: float | None, cpu_after: float | None) -> float | None:
        """Of a core, while events were sent."""
        if cpu_before is None or cpu_after is None:
            return None
        return (cpu_after - cpu_before) / (time.monotonic() - self._begun)

    def _counted_rate(self) -> float | None:
        """From the first look that found more to the last but one: neither the wait for the first events makes it less, nor
        that for the last ones, when no others came."""
        found = self._seen[1:-1]
        return (found[-1].count - found[0].count) / (found[-1].seconds - found[0].seconds) if len(found) > 1 else None

    async def _report(self, worker_cpu: float | None) -> Report:
        latencies = Latencies(self._load, self._seen)
        return Report(
            run=self._load.run,
            asked_rate=self._load.rate,
            rate=self._sender.sent / max(self._sender.seconds, self._load.seconds),
            counted_rate=self._counted_rate(),
            sent=self._sender.sent,
            acknowledged=self._publisher.acknowledged,
            counted=await self._counted(),
            lag=self._lag,
            incomplete=await self._serve.problem(),
            behind_seconds=self._sender.behind_seconds,
            latency={name: latencies.quantile(share) for name, share in QUANTILES.items()},
            worker_cpu=worker_cpu,
        )
