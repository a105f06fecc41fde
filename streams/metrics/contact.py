"""Support: how long until someone answers, how many give up, how long it takes.

Outcomes are counted when they happen. With AN answered, AB abandoned, a = answered within T, b = abandoned within T,
B = abandoned after T and s = abandoned within 5 s, the six common definitions of a service level are f1 to f6.
"""

from collections.abc import Callable

from streams.events.contact import FAMILY
from streams.metrics.catalogue import FamilyMetrics
from streams.metrics.columns import Array, Columns
from streams.metrics.derived import Expression, Mean, Ratio, count, values, within
from streams.metrics.stored import Counter, Distribution, Live
from streams.windows.contacts import Contacts

TARGET_SECONDS, SHORT_SECONDS, HOUR_SECONDS = 20, 5, 3600
MILLISECOND = 1e-3  # seconds are added up as whole milliseconds
WAITS = (SHORT_SECONDS, 10, TARGET_SECONDS, 30, 60, 120, 300, 600, 1800)

AN, AB = values("contact_wait_seconds"), values("contact_abandon_seconds")
a, b = within("contact_wait_seconds", TARGET_SECONDS), within("contact_abandon_seconds", TARGET_SECONDS)
s = within("contact_abandon_seconds", SHORT_SECONDS)
answered, abandoned = count("contacts_answered"), count("contacts_abandoned")


def plus(one: Expression, other: Expression) -> Expression:
    return lambda view: one(view) + other(view)


def minus(one: Expression, other: Expression) -> Expression:
    return lambda view: one(view) - other(view)


def step(name: str) -> Callable[[Columns], Array]:
    """Contacts that took this step for the first time."""
    return lambda columns: columns.equals("step", name)


def seconds(name: str) -> Callable[[Columns], Array]:
    """What the table of contacts found, in seconds."""
    return lambda columns: columns.number(name)


SERVICE_LEVEL = {
    "f1": (plus(a, b), plus(AN, AB)),
    "f2": (a, AN),
    "f3": (a, plus(AN, AB)),
    "f4": (a, plus(AN, minus(AB, b))),
    "f5": (plus(a, s), plus(AN, AB)),
    "f6": (a, minus(plus(AN, AB), s)),
}


METRICS = FamilyMetrics(
    event=FAMILY,
    dimensions=("channel", "queue", "topic", "team", "segment", "country"),
    table=Contacts,
    figures=(
        Counter(name="contacts_queued", help="Contacts that began to wait.", where=step("queued"), questions=("S2",)),
        Counter(
            name="contacts_answered",
            help="Contacts that were answered.",
            better="higher",
            where=step("answered"),
            questions=("S2",),
        ),
        Counter(
            name="contacts_abandoned",
            help="Contacts given up while waiting.",
            better="lower",
            where=step("abandoned"),
            questions=("S3",),
        ),
        Counter(
            name="contacts_resolved",
            help="Contacts that were resolved.",
            better="higher",
            where=step("resolved"),
            questions=("S1",),
        ),
        Distribution(
            name="contact_wait_seconds",
            help="Wait of answered contacts.",
            value=seconds("answered_wait"),
            low=0.1,
            high=86_400,
            thresholds=WAITS,
            questions=("S2",),
            base=MILLISECOND,
        ),
        Distribution(
            name="contact_abandon_seconds",
            help="Wait of contacts that were given up.",
            value=seconds("abandoned_wait"),
            low=0.1,
            high=86_400,
            thresholds=WAITS,
            questions=("S3",),
            base=MILLISECOND,
        ),
        Mean(
            name="average_speed_of_answer_seconds",
            help="Mean wait of answered contacts.",
            better="lower",
            of="contact_wait_seconds",
            questions=("S2",),
        ),
        Live(name="contacts_waiting", help="Contacts waiting now.", better="lower", measure="count", questions=("S2",)),
        Live(
            name="longest_wait_seconds",
            help="How long the contact at the head of the queue has waited by now.",
            better="lower",
            unit="seconds",
            measure="age",
            questions=("S2",),
        ),
        Ratio(
            name="service_level",
            help="Share answered in 20 s, by six common definitions; f4 leaves out those who gave up within the 20 s.",
            better="higher",
            variants={name: SERVICE_LEVEL[name] for name in ("f4", "f1", "f2", "f3", "f5", "f6")},
            questions=("S2",),
        ),
        Ratio(
            name="abandonment_ratio",
            help="Share of contacts given up while waiting; excluding_short leaves out those given up within 5 s.",
            better="lower",
            variants={
                "raw": (abandoned, plus(answered, abandoned)),
                "excluding_short": (minus(abandoned, s), minus(plus(answered, abandoned), s)),
            },
            questions=("S3",),
        ),
        Distribution(
            name="handle_seconds",
            help="Talk, hold and wrap-up of handled contacts.",
            value=seconds("handle"),
            low=0.1,
            high=86_400,
            thresholds=(30, 60, 120, 300, 600, 1200, 3600),
            questions=("S2",),
            base=MILLISECOND,
        ),
        Distribution(
            name="resolution_seconds",
            help="From queueing to resolution, of contacts resolved.",
            value=seconds("resolution"),
            low=1,
            high=2_592_000,
            thresholds=(300, 900, HOUR_SECONDS, 14_400, 86_400, 259_200),
            questions=("S1",),
            base=MILLISECOND,
        ),
        Distribution(
            name="first_reply_seconds",
            help="Until the first reply.",
            value=seconds("first_reply"),
            low=0.1,
            high=604_800,
            thresholds=(30, 60, 300, 900, HOUR_SECONDS, 14_400, 86_400),
            questions=("F3",),
            base=MILLISECOND,
        ),
        Ratio(
            name="first_reply_within_hour_ratio",
            help="Share of first replies that came within an hour.",
            better="higher",
            part=within("first_reply_seconds", HOUR_SECONDS),
            whole=values("first_reply_seconds"),
            questions=("F3",),
        ),
        Counter(
            name="bot_contacts",
            help="Contacts that a bot ended or handed over.",
            where=lambda columns: columns.equals("bot", "contained", "handed_over"),
            questions=("F4",),
        ),
        Counter(
            name="bot_contained_contacts",
            help="Contacts that a bot ended by itself.",
            better="higher",
            where=lambda columns: columns.equals("bot", "contained"),
            questions=("F4",),
        ),
        Ratio(
            name="bot_containment_ratio",
            help="Share of a bot's contacts that it ended without handing over.",
            better="higher",
            part=count("bot_contained_contacts"),
            whole=count("bot_contacts"),
            questions=("F4",),
        ),
    ),
)
