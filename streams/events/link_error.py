"""A link led nowhere: `experience.link-error`, keyed by target host and route."""

from typing import Annotated, Any, Literal, Required

from pydantic import Field, StringConstraints

from streams.events.envelope import Event, EventFamily, Url
from streams.events.route import host, route

KINDS = ("page-link", "resource", "deep-link", "redirect-loop")
REASONS = ("http", "dns", "timeout", "refused", "tls", "scheme")


class LinkError(Event, total=False):
    """`source` is the page that holds the link; `status` 0: no answer."""

    target: Required[Annotated[str, StringConstraints(min_length=1, max_length=2048)]]
    status: Annotated[int, Field(ge=0, le=999)] | None
    reason: Literal["http", "dns", "timeout", "refused", "tls", "scheme"] | None
    source: Url
    kind: Literal["page-link", "resource", "deep-link", "redirect-loop"] | None


def name_the_page(event: Any) -> None:
    """The page on which people meet the link."""
    if not event.page and event.source:
        event.page = route(event.source)


def host_of_target(event: Any) -> str:
    """The host that fails."""
    return host(event.target)


FAMILY = EventFamily(
    "link-error",
    LinkError,
    enrich=name_the_page,
    enriched_from="source",
    derived=(("host", host_of_target),),
    key="target",
)
