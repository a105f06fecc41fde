"""A session of an app began or ended: `experience.app-session`, keyed by session, windows by arrival."""

from typing import Annotated, Literal

from pydantic import Field

from streams.events.envelope import Count, Event, EventFamily, Milliseconds, Text

WEEK_MS = 7 * 24 * 3_600_000  # an app may be open for days


class AppSession(Event, total=False):
    """A session counts once, at its first record. Frames are those drawn since the last record of the session."""

    status: Literal["started", "ended"] | None
    duration_ms: Annotated[float, Field(ge=0, le=WEEK_MS)] | None
    cold_start_ms: Milliseconds
    warm_start_ms: Milliseconds
    slow_frames: Count
    frozen_frames: Count
    frames: Count
    install: Text
    first_launch: bool | None


FAMILY = EventFamily("app-session", AppSession, clock="arrival")
