"""HTTP: `/metrics`, health, the JSON API and the live page, all from the same snapshot. Read only, no cookies, no CORS."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import asdict, fields
from threading import BoundedSemaphore
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from alerts.overview import AlertsStatus, AlertView
from monitor.exposition import VALUE_WINDOWS, Exposition
from monitor.http import SecurityHeaders, answer_errors
from monitor.ports import Alerts, NoAlerts, Snapshot, Source
from monitor.query import Refused, ask, finite, rfc3339
from monitor.web.live import Live
from monitor.web.page import Pages, page_routes
from streams.metrics.catalogue import Figure
from streams.reading.figures import Reading
from streams.reading.health import Health

MOST_SPANS = 4  # at a time: unlike windows, each is added up for whoever asks
COMPRESSION = 4  # of 9: those above take longer than they spare


def create_app(
    source: Source,
    alerts: Alerts | None = None,
    *,
    brokers: str = "localhost:9092",
    topic_prefix: str = "experience.",
    allowed_hosts: Sequence[str] = ("*",),
    exposed_windows: Sequence[str] = VALUE_WINDOWS,
) -> FastAPI:
    """Returns the application; `brokers` and `topic_prefix` only appear in the example of the empty page,
    `exposed_windows` is for `/metrics`.

    `allowed_hosts` are the host names it answers to. Naming them keeps a foreign web page from reading the figures through
    DNS rebinding; behind a proxy, or where the address may be anything, `*` answers to all.
    Before the server stops, `app.state.live.close()` ends the event streams, for which it would wait.
    """
    alerts = alerts or NoAlerts()
    live = Live(source, alerts)
    pages = Pages(live, brokers, topic_prefix)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(live.run())
        yield
        watching.cancel()
        await asyncio.wait([watching])

    app = FastAPI(title="Experience monitor", docs_url=None, redoc_url=None, lifespan=lifespan)
    app.state.live = live
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=COMPRESSION)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(allowed_hosts))
    app.add_middleware(SecurityHeaders)
    answer_errors(app)
    app.include_router(_machine_routes(source, live, Exposition(source, alerts, exposed_windows)))
    app.include_router(_api_routes(source, alerts), prefix="/api/v1")
    page_routes(app, pages)
    return app


def _machine_routes(source: Source, live: Live, exposition: Exposition) -> APIRouter:
    routes = APIRouter()

    @routes.get("/metrics")
    def metrics(request: Request) -> Response:
        body, content_type = exposition.render(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    @routes.get("/healthz")
    async def healthz() -> dict[str, Any]:
        """200 while the process serves; the state is in the body, so that nobody restarts it for a fault elsewhere."""
        return _condition(source.health)

    @routes.get("/readyz")
    async def readyz() -> JSONResponse:
        """503 until a first complete snapshot, and whenever the figures are stale."""
        ready = live.was_complete and source.health.state in {"fresh", "incomplete"}
        return JSONResponse({"ready": ready, **_condition(source.health)}, 200 if ready else 503)

    return routes


@contextmanager
def _a_place(under_way: BoundedSemaphore) -> Iterator[None]:
    """Among the questions that are answered at a time, or `Refused`."""
    if not under_way.acquire(blocking=False):
        raise Refused(503, "busy", f"{MOST_SPANS} stretches of time are being added up already.", "Ask again in a second.")
    try:
        yield
    finally:
        under_way.release()


def _api_routes(source: Source, alerts: Alerts) -> APIRouter:
    routes, under_way = APIRouter(), BoundedSemaphore(MOST_SPANS)

    @routes.get("/figures")
    def figures(request: Request) -> dict[str, Any]:
        """One figure: `figure`, then `window` or `from` and `to`, `by`, `app`, `environment`, `value`, `statistic`."""
        snapshot = _current(source)
        question = ask(snapshot, dict(request.query_params))
        with _a_place(under_way) if question.span else nullcontext():
            readings = question.readings(snapshot)
        return {
            "figure": question.figure.name,
            "unit": question.figure.unit,
            **_period(question.window, question.span),
            "by": question.by,
            "complete": snapshot.complete,
            "at": rfc3339(snapshot.at_ms),
            "readings": [_reading(reading) for reading in readings],
        }

    @routes.get("/catalogue")
    def catalogue() -> dict[str, Any]:
        return {"figures": [_row(figure) for figure in _current(source).figures.values()]}

    @routes.get("/alerts")
    def firing() -> dict[str, Any]:
        return {"alerts": [_alert(alert) for alert in alerts.alerts()], "engine": _engine(alerts.status())}

    @routes.get("/health")
    def health() -> dict[str, Any]:
        return _health(source.health)

    return routes


def _current(source: Source) -> Snapshot:
    snapshot, health = source.snapshot, source.health
    if snapshot is None:
        raise Refused(503, "starting", "No figures have been read yet.", "Ask again in a few seconds; see /healthz.")
    if health.state == "stale":
        message = f"The figures are {health.age_seconds:.0f} s old."
        raise Refused(503, "stale", message, "The store does not answer; /healthz says more.")
    return snapshot


def _condition(health: Health) -> dict[str, Any]:
    return {
        "status": health.state,
        "up": health.up,
        "complete": health.complete,
        "age_seconds": finite(health.age_seconds),
        "problems": health.problems,
    }


def _health(health: Health) -> dict[str, Any]:
    counters = [field.name for field in fields(health) if field.name.endswith("_total")]
    return {
        **_condition(health),
        "workers": [{**asdict(w), "partitions": [str(p) for p in w.partitions]} for w in health.workers],
        "partitions": [{**asdict(p), "partition": str(p.partition)} for p in health.partitions],
        **{name: dict(getattr(health, name)) for name in counters},
    }


def _engine(status: AlertsStatus) -> dict[str, Any]:
    at = status.evaluated_at_ms
    return {
        "rules": status.rules,
        "leading": status.leading,
        "evaluated_at": None if at is None else rfc3339(at),
        "problem": status.problem,
        "firing": dict(status.firing),
        "targets": [asdict(target) for target in status.targets],
    }


def _period(window: str, span: tuple[int, int] | None) -> Mapping[str, str]:
    return {"from": rfc3339(span[0]), "to": rfc3339(span[1])} if span else {"window": window}


def _reading(reading: Reading) -> dict[str, Any]:
    return {
        "series": asdict(reading.series),
        "labels": dict(reading.labels),
        "statistic": reading.statistic,
        "value": finite(reading.value),
        "n": reading.n,
        "low": finite(reading.low),
        "high": finite(reading.high),
    }


_ROW = ("name", "help", "unit", "better", "family", "kind", "statistics", "labels", "dimensions", "questions")


def _row(figure: Figure) -> dict[str, Any]:
    return {field: getattr(figure, field) for field in _ROW}


def _alert(alert: AlertView) -> dict[str, Any]:
    numbers = {name: finite(getattr(alert, name)) for name in ("value", "limit", "low", "high")}
    return {**asdict(alert), **numbers, "labels": dict(alert.labels), "since": rfc3339(alert.since_ms)}
