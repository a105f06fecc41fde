"""A customer contacts support: `experience.contact`, keyed by customer, else by contact."""

from typing import Annotated, Literal, Required

from pydantic import StringConstraints

from streams.events.envelope import Event, EventFamily, Seconds, Text

States = Literal["queued", "offered", "answered", "transferred", "abandoned", "ended", "resolved", "reopened"]


class Contact(Event, total=False):
    """One step in the life of a contact. A wait that is not given is computed from the contact's own events."""

    contact: Required[Annotated[str, StringConstraints(min_length=1, max_length=128)]]
    state: Required[States]
    queue: Text
    topic: Text
    team: Text
    handled_by: Literal["human", "bot"] | None
    handed_over: bool | None
    wait_seconds: Seconds
    talk_seconds: Seconds
    hold_seconds: Seconds
    wrap_up_seconds: Seconds
    first_reply_seconds: Seconds
    resolution_seconds: Seconds
    in_menu: bool | None
    solvable_at_first_level: bool | None


FAMILY = EventFamily("contact", Contact, key="customer")
