"""An app crashed, hung or stopped answering: `experience.app-crash`, keyed by session.

Windows go by arrival, because a crash is often reported at the next launch.
"""

from typing import Literal

from streams.events.envelope import Event, EventFamily, Long, Text, Timestamp

KINDS = ("crash", "anr", "hang", "non-fatal")


class AppCrash(Event, total=False):
    """`kind` crash ends a session and is fatal; the others are not."""

    kind: Literal["crash", "anr", "hang", "non-fatal"] | None
    fingerprint: Text
    type: Text
    message: Long
    stack: Long
    foreground: bool | None
    occurred_at: Timestamp
    install: Text


FAMILY = EventFamily("app-crash", AppCrash, clock="arrival")
