"""Asks a running `serve` how many events of a run it has counted, and how far the workers are behind."""

import asyncio
import time
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
        while problems := (await self._ask("/api/v1/health"))["problems"]:
            if time.monotonic() >= until:
                raise NotServing(f"the figures at {self._url} are not complete: {problems[0]}. Hint: xmon healthcheck worker.")
            await asyncio.sleep(ASK_AGAIN_SECONDS)

    async def counted(self, run: str, window: str) -> int:
        """Page views of the run in a window that ends now. Windows are worked out once a snapshot, so asking often is cheap."""
        asked = {"figure": "page_views", "statistic": "count", "window": window, "by": "release", "value": run}
        answer = await self._ask("/api/v1/figures", app=APP, environment=ENVIRONMENT, **asked)
        return sum(reading["n"] for reading in answer["readings"])

    async def lag(self) -> int:
        """Records of the topic that wait to be applied."""
        partitions = (await self._ask("/api/v1/health"))["partitions"]
        return sum(one["lag"] or 0 for one in partitions if one["partition"].rpartition(":")[0] == self._topic)

    async def _ask(self, path: str, **parameters: str) -> Any:
        try:
            answer = await self._client.get(f"{self._url}{path}", params=parameters)
            body = answer.json()
        except httpx.HTTPError as error:
            raise NotServing(f"nothing answers at {self._url} ({error or type(error).__name__}). {HINT}") from None
        except (ValueError, httpx.InvalidURL):
            body = None
        if not isinstance(body, dict):
            raise NotServing(f"what answers at {self._url} is no `serve`. {HINT}")
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
