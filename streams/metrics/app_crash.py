"""App crashes: how many, and for how large a share of sessions and people."""

import numpy as np

from streams.events.app_crash import FAMILY, KINDS
from streams.metrics.catalogue import FamilyMetrics, View
from streams.metrics.columns import Array, Columns
from streams.metrics.derived import PeopleShare, Ratio, count
from streams.metrics.stored import Counter, Uniques
from streams.windows.firsts import Firsts

FATAL = ("kind", ("crash", None))  # a crash of no kind is a crash


def fatal(columns: Columns) -> Array:
    """Ends the session."""
    return columns.equals(FATAL[0], *FATAL[1])


def sessions_without_crash(view: View) -> Array:
    """Sessions that ran, less those that crashed."""
    return np.asarray(view.counter("app_sessions") - view.counter("crashed_sessions"))


METRICS = FamilyMetrics(
    event=FAMILY,
    dimensions=("release", "os", "device", "country", "segment"),
    table=lambda: Firsts({"crashed": FATAL, "anr": ("kind", ("anr",))}),
    figures=(
        Counter(name="app_crashes", help="Crash reports by kind.", better="lower", split={"kind": KINDS}, questions=("M2",)),
        Counter(
            name="crashed_sessions",
            help="Sessions with a fatal crash, each counted once.",
            better="lower",
            where=lambda columns: columns.derived("crashed"),
            questions=("M2",),
        ),
        Counter(
            name="anr_sessions",
            help="Sessions in which the app stopped answering, each counted once.",
            better="lower",
            where=lambda columns: columns.derived("anr"),
            questions=("M2",),
        ),
        Ratio(
            name="crash_free_session_ratio",
            series_of="app_sessions",
            help="Share of sessions without a fatal crash.",
            better="higher",
            part=sessions_without_crash,
            whole=count("app_sessions"),
            questions=("M2",),
        ),
        Ratio(
            name="anr_ratio",
            series_of="app_sessions",
            help="Share of sessions in which the app stopped answering.",
            better="lower",
            part=count("anr_sessions"),
            whole=count("app_sessions"),
            questions=("M2",),
        ),
        Uniques(
            name="crashed_users",
            help="Different people whose app crashed.",
            better="lower",
            fields=("user", "install", "session"),
            where=fatal,
            questions=("M2",),
        ),
        PeopleShare(
            name="crash_free_user_ratio",
            series_of="app_sessions",
            help="Share of people whose app did not crash; from estimated counts of people.",
            better="higher",
            whole="active_users",
            without="crashed_users",
            questions=("M2",),
        ),
    ),
)
