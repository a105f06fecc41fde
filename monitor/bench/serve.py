"""Asks a running `serve` how many events of a run it has counted, and how far the workers are behind."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx

from monitor.bench.load import APP, ENVIRONMENT
from monitor.failures import NotServing

HINT = "Hint: start `xmon serve`, or say where it is with --url or XMON_SERVE_HOST and XMON_SERVE_PORT."
ASK_AGAIN_SECONDS = 0.2


class Serve:
    """One `serve`, over HTTP. Every call raises `NotServing` where it cannot say what it is asked."""

    def __init__(self, client: httpx.AsyncClient, url: str, topic: str) -> None:
        self._client, self._url, self._topic = client, url.rstrip("/"), topic

    async def ready(self, patience_seconds: float) -> None:
        """Returns when its figures are complete: a worker that has just started reads its state first."""
        until = time.monotonic() + patience_seconds
        while problem := await self.problem():
            if time.monotonic() >= until:
                raise NotServing(f"the figures at {self._url} are not complete: {problem}. Hint: xmon healthcheck worker.")
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def counted(self, run: str, window: str) -> int:
        """Page views of the run in a window that ends now. Windows are worked out once a snapshot, so asking often is cheap."""
        asked = {"figure": "page_views", "statistic": "count", "window": window, "by": "release", "value": run}
        answer = await self._ask("/api/v1/figures", app=APP, environment=ENVIRONMENT, **asked)
        return sum(reading["n"] for reading in answer["readings"])

    async def lag(self) -> int:
        """Records of the topic that wait to be applied, as far as that is known."""
        return sum(one["lag"] or 0 for one in (await self._ask("/api/v1/health"))["partitions"] if self._is_ours(one))

    async def problem(self) -> str | None:
        """Why the figures of the topic may be behind, the first reason."""
        health = await self._ask("/api/v1/health")
        of_others = tuple(f"{one['partition']}: " for one in health["partitions"] if not self._is_ours(one))
        return next((problem for problem in health["problems"] if not problem.startswith(of_others)), None)

    def _is_ours(self, partition: Mapping[str, Any]) -> bool:
        return bool(partition["partition"].rpartition(":")[0] == self._topic)

    async def _ask(self, path: str, **parameters: str) -> Any:
        try:
            answer = await self._client.get(f"{self._url}{path}", params=parameters)
        except httpx.InvalidURL:
            raise NotServing(f"{self._url} is no address. {HINT}") from None
        except httpx.HTTPError as error:
            raise NotServing(f"nothing answers at {self._url} ({error or type(error).__name__}). {HINT}") from None
        try:
            body = answer.json()
        except ValueError:
            body = None
        if not isinstance(body, dict):
            status = answer.status_code
            raise NotServing(f"what answers at {self._url} (with status {status}) is no `serve`; a login before it? {HINT}")
        if answer.status_code != httpx.codes.OK:
            raise NotServing(f"{self._url} says: {body.get('message', answer.status_code)} {body.get('hint', HINT)}")
        return body


async def cpu_seconds(client: httpx.AsyncClient, url: str) -> float | None:
    """CPU time of the worker whose own /metrics is there; None where there is none."""
    name = "process_cpu_seconds_total "
    try:
        lines = (await client.get(f"{url}/metrics")).text.splitlines()
    except httpx.HTTPError:
        return None
    return next((float(line.removeprefix(name)) for line in lines if line.startswith(name)), None)
