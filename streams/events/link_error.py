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


def locate(event: dict[str, Any]) -> None:
    """The host that fails, and the page on which people meet the link."""
    event["host"] = host(event["target"])
    if not event.get("page") and event.get("source"):
        event["page"] = route(event["source"])


FAMILY = EventFamily("link-error", LinkError, enrich=locate, enriched_from="target", key="target")
