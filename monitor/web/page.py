"""The live page and its event stream: the same fragments, once inside a page and then whenever they change."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import escape
from starlette.staticfiles import StaticFiles

from alerts import words
from alerts.overview import AlertView
from monitor.ports import WINDOWS, Snapshot
from monitor.query import Refused, choose, find_figure
from monitor.web.alerting import Notice, announcement, notice
from monitor.web.breakdown import detail
from monitor.web.cards import scopes
from monitor.web.live import Live

_HERE = Path(__file__).parent
_HEARTBEAT_SECONDS = 5.0
MOST_STREAMS = 200
"""Open event streams a process; a browser that is refused one tries again."""


@dataclass(frozen=True, slots=True)
class View:
    """What one reader looks at: the overview, or one figure."""

    window: str = "5m"
    figure: str = ""
    app: str = ""
    environment: str = ""
    by: str = ""
    statistic: str = ""
    variant: str = ""

    @classmethod
    def of(cls, given: Mapping[str, str], figure: str = "") -> "View":
        """Reads the parameters of a URL, or raises `Refused`."""
        known = {name: given[name][:200] for name in cls.__slots__ if name in given}
        view = cls(**{**known, **({"figure": figure} if figure else {})})
        choose("window", view.window, WINDOWS)
        return view if view.figure else cls(view.window)  # nothing else changes the overview, which is written once for all


@dataclass(frozen=True, slots=True)
class Fragments:
    """Id of an element → its content. While `layout` stays the same, elements may be exchanged one by one."""

    content: Mapping[str, str]
    layout: tuple[str, ...]

    def changes(self, before: "Fragments | None") -> dict[str, str]:
        """Returns what a page that shows `before` has to exchange."""
        if before is None or before.layout != self.layout:
            return {name: html for name, html in self.content.items() if name not in self.layout}
        return {
            name: html
            for name, html in self.content.items()
            if html != before.content.get(name) and (name != "main" or not self.layout)
        }


class Pages:
    """Renders views. Each fragment of a version is rendered once, however many look at it."""

    def __init__(self, live: Live, brokers: str, topic_prefix: str) -> None:
        self._live = live
        self._example = {"brokers": brokers, "topic_prefix": topic_prefix}
        self._templates = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._rendered: tuple[int, dict[View, Fragments]] = (-1, {})
        self.streams = 0

    def page(self, view: View) -> str:
        """Returns the whole page."""
        return self._render("page.html", view=view, windows=WINDOWS, fragments=self.fragments(view).content)

    def problem(self, refused: Refused) -> str:
        """Returns a page that says what was wrong with the address."""
        return self._render("problem.html", **refused.body)

    def fragments(self, view: View) -> Fragments:
        """Returns the fragments of the present version."""
        version, cache = self._rendered
        if version != self._live.version:
            version, cache = self._rendered = (self._live.version, {})
        if view not in cache:
            cache[view] = self._fragments(view)
        return cache[view]

    async def events(self, view: View) -> AsyncIterator[str]:
        """Yields server-sent events: what changed, as a JSON object of element id → HTML; a beat when nothing did."""
        before = None
        self.streams += 1
        try:
            while not self._live.closed:
                version, now = self._live.version, self.fragments(view)
                yield f"data: {json.dumps(now.changes(before))}\n\n"
                before = now
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._live.changed(version), _HEARTBEAT_SECONDS)
        finally:
            self.streams -= 1

    def _fragments(self, view: View) -> Fragments:
        snapshot, health = self._live.source.snapshot, self._live.source.health
        now_ms = snapshot.at_ms if snapshot else 0
        found = self._live.alerts.alerts()
        mine = [alert for alert in found if view.figure in {"", alert.figure}]
        alerts = {
            "notices": [self._notice(alert, snapshot) for alert in mine],
            "elsewhere": len(found) - len(mine),
            "narrowed": bool(view.figure),
            "state": health.state if snapshot and snapshot.scopes() else "",
        }
        at = datetime.fromtimestamp(now_ms / 1000, UTC).strftime("%H:%M:%S") if snapshot else ""
        age = words.duration(int(health.age_seconds * 1000)) if isfinite(health.age_seconds) else ""
        content = {
            "status": self._render("status.html", health=health, at=at, age=age),
            "alerts": self._render("alerts.html", **alerts),
            "spoken": escape(announcement(mine)) if snapshot else "",
        }
        if snapshot is None or not snapshot.scopes():
            return Fragments({**content, "main": self._render("empty.html", health=health, **self._example)}, ())
        if view.figure:
            return Fragments({**content, "main": self._detail(snapshot, view)}, ())
        return self._overview(snapshot, view, content)

    def _overview(self, snapshot: Snapshot, view: View, content: dict[str, str]) -> Fragments:
        found = scopes(snapshot, view.window, self._live.alerts.alerts(), self._live.history)
        groups = [group for scope in found for group in scope.groups]
        inner = {card.id: self._render("card.html", card=card) for group in groups for card in group.cards}
        inner |= {card.id: self._render("count.html", card=card) for group in groups for card in group.counts}
        more = len(snapshot.scopes()) - len(found)
        main = self._render("overview.html", scopes=found, inner=inner, window=view.window, more=more)
        return Fragments({**content, "main": main, **inner}, tuple(inner))

    def _notice(self, alert: AlertView, snapshot: Snapshot | None) -> Notice:
        figure = snapshot.figures.get(alert.figure) if snapshot else None
        now_ms = snapshot.at_ms if snapshot else alert.since_ms
        return notice(alert, figure.unit if figure else "", now_ms, linked=figure is not None)

    def _detail(self, snapshot: Snapshot, view: View) -> str:
        figure = find_figure(snapshot, view.figure)
        alerts = self._live.alerts.alerts()
        return self._render("figure.html", **detail(snapshot, figure, view, alerts, self._live.history))

    def _render(self, template: str, **values: Any) -> str:
        return self._templates.get_template(template).render(**values)


def page_routes(app: FastAPI, pages: Pages) -> None:
    """Adds the pages, their event stream and the two files they load."""

    @app.get("/", include_in_schema=False)
    async def overview(request: Request) -> Response:
        return _answer(pages, request, "")

    @app.get("/figure/{figure}", include_in_schema=False)
    async def figure(request: Request, figure: str) -> Response:
        return _answer(pages, request, figure)

    @app.get("/events", include_in_schema=False)
    async def events(request: Request) -> Response:
        if pages.streams >= MOST_STREAMS:
            raise Refused(503, "too_many_streams", "Too many pages are open.", "Close some, or start another `xmon serve`.")
        view = View.of(request.query_params)
        pages.fragments(view)
        return StreamingResponse(pages.events(view), media_type="text/event-stream")

    app.mount("/static", StaticFiles(directory=_HERE / "static"), name="static")


def _answer(pages: Pages, request: Request, figure: str) -> Response:
    try:
        return HTMLResponse(pages.page(View.of(request.query_params, figure)))
    except Refused as refused:
        return HTMLResponse(pages.problem(refused), refused.status)
