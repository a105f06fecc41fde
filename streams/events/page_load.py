"""A page was loaded, or failed to: `experience.page-load`, keyed by session."""

from typing import Annotated, Any

from pydantic import Field

from streams.events.envelope import Event, EventFamily, Milliseconds, Text, Url
from streams.events.route import route


class PageLoad(Event, total=False):
    """Times are milliseconds since navigation start; `cls` has no unit. `status` 0: the page never loaded."""

    url: Url
    duration_ms: Milliseconds
    ttfb_ms: Milliseconds
    fcp_ms: Milliseconds
    lcp_ms: Milliseconds
    inp_ms: Milliseconds
    cls: Annotated[float, Field(ge=0, le=100)] | None
    status: Annotated[int, Field(ge=0, le=999)] | None
    navigation: Text
    view: Text


def name_the_page(event: Any) -> None:
    """A view without a page name is known by its route."""
    if not event.page and event.url:
        event.page = route(event.url)


FAMILY = EventFamily("page-load", PageLoad, enrich=name_the_page, enriched_from="url")
