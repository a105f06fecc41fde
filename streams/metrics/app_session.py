"""App sessions: is the app used, does it start fast and draw smoothly."""

import numpy as np

from streams.events.app_session import FAMILY
from streams.metrics.catalogue import FamilyMetrics
from streams.metrics.columns import Array, Columns
from streams.metrics.derived import Ratio, count
from streams.metrics.stored import Counter, Distribution, Uniques
from streams.windows.firsts import Firsts


def start_time(columns: Columns) -> Array:
    """Milliseconds of the cold start, else of the warm one."""
    cold = columns.number("cold_start_ms")
    return np.where(np.isnan(cold), columns.number("warm_start_ms"), cold)


METRICS = FamilyMetrics(
    event=FAMILY,
    dimensions=("release", "os", "device", "country", "segment"),
    table=lambda: Firsts({"first": None}),
    figures=(
        Counter(
            name="app_sessions",
            help="Sessions, each counted once at its first record; one that lasts longer than a day, once a day.",
            where=lambda columns: columns.derived("first"),
            questions=("M1",),
        ),
        Uniques(
            name="active_users",
            help="Different people who used the app.",
            fields=("user", "install", "session"),
            questions=("M1",),
        ),
        Counter(
            name="new_installs",
            help="First launches of an installation.",
            where=lambda columns: columns.equals("first_launch", True),
            questions=("M1",),
        ),
        Distribution(
            name="app_start_seconds",
            help="From launch to the first drawn screen; the cold start where both are known.",
            value=start_time,
            low=1,
            high=60_000,
            thresholds=(250, 500, 1000, 1500, 2000, 3000, 5000, 10_000),
            questions=("M3",),
        ),
        Counter(
            name="frame_reports",
            help="Records that tell of frames drawn: as a rule one a session.",
            where=lambda columns: columns.number("frames", 0) > 0,
            questions=("M3",),
        ),
        Counter(name="frames", help="Frames drawn.", weight=lambda c: c.number("frames", 0), questions=("M3",)),
        Counter(
            name="slow_frames",
            help="Frames drawn late.",
            better="lower",
            weight=lambda c: c.number("slow_frames", 0),
            questions=("M3",),
        ),
        Counter(
            name="frozen_frames",
            help="Frames that took over 700 ms.",
            better="lower",
            weight=lambda c: c.number("frozen_frames", 0),
            questions=("M3",),
        ),
        Ratio(
            name="slow_frame_ratio",
            help="Share of frames drawn late; n and interval go by frame reports, for frames of a session are alike.",
            better="lower",
            part=count("slow_frames"),
            whole=count("frames"),
            samples=count("frame_reports"),
            questions=("M3",),
        ),
        Ratio(
            name="frozen_frame_ratio",
            help="Share of frames that froze; n and interval go by frame reports, for frames of a session are alike.",
            better="lower",
            part=count("frozen_frames"),
            whole=count("frames"),
            samples=count("frame_reports"),
            questions=("M3",),
        ),
    ),
)
