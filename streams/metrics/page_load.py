"""Pages: do they come, how fast, for how many people."""

import numpy as np

from streams.events.page_load import FAMILY
from streams.metrics.catalogue import FamilyMetrics
from streams.metrics.columns import Array, Columns
from streams.metrics.derived import Apdex, Ratio, VitalShare, count
from streams.metrics.stored import Counter, Distribution, Uniques

SATISFIED_MS = 2000  # Apdex T
SERVER_ERROR = 500
TOO_MANY_REQUESTS, UNAVAILABLE = 429, 503

# Limits of good and poor, in the field's unit: GoogleChrome/web-vitals, src/onLCP.ts, onINP.ts, onCLS.ts, onFCP.ts, onTTFB.ts
LCP, INP, CLS, FCP, TTFB = (2500, 4000), (200, 500), (0.1, 0.25), (1800, 3000), (800, 1800)


def failed(columns: Columns) -> Array:
    """The page never loaded, or the server failed."""
    status = columns.number("status", 200)
    return np.asarray((status == 0) | (status >= SERVER_ERROR))


def overloaded(columns: Columns) -> Array:
    """The server asked to come back later."""
    status = columns.number("status")
    return np.asarray((status == TOO_MANY_REQUESTS) | (status == UNAVAILABLE))


def load_time(columns: Columns) -> Array:
    """Milliseconds; failures have none."""
    return np.where(failed(columns), np.nan, columns.number("duration_ms"))


def _vital(name: str, text: str, limits: tuple[float, float], low: float, high: float, more: tuple[float, ...]) -> Distribution:
    return Distribution(
        name=f"{name}_seconds",
        help=text,
        value=lambda columns: columns.number(f"{name}_ms"),
        low=low,
        high=high,
        thresholds=tuple(sorted({*limits, *more})),
        questions=("W4",),
    )


METRICS = FamilyMetrics(
    event=FAMILY,
    dimensions=("page", "country", "device", "browser", "os", "release", "segment", "variant"),
    figures=(
        Counter(name="page_views", help="Pages that were asked for.", questions=("W1", "U1")),
        Counter(
            name="page_load_failures",
            help="Pages that never loaded or came back with a status of 500 and above.",
            better="lower",
            where=failed,
            questions=("W1",),
        ),
        Ratio(
            name="page_load_failure_ratio",
            help="Share of page views that failed.",
            better="lower",
            part=count("page_load_failures"),
            whole=count("page_views"),
            questions=("W1",),
        ),
        Counter(
            name="page_overloads",
            help="Pages refused with status 429 or 503.",
            better="lower",
            where=overloaded,
            questions=("W1",),
        ),
        Ratio(
            name="page_overload_ratio",
            help="Share of page views refused because of overload.",
            better="lower",
            part=count("page_overloads"),
            whole=count("page_views"),
            questions=("W1",),
        ),
        Distribution(
            name="page_load_seconds",
            help="From the start of the navigation to the end of the load; failures left out.",
            value=load_time,
            low=1,
            high=120_000,
            thresholds=(100, 250, 500, 1000, SATISFIED_MS, 3000, 5000, 4 * SATISFIED_MS, 15_000, 30_000),
            questions=("W4", "I1"),
        ),
        Apdex(
            name="page_load_apdex",
            help="Satisfaction with load times, T = 2 s; a failed load is frustrating.",
            better="higher",
            of="page_load_seconds",
            threshold=SATISFIED_MS,
            failed=count("page_load_failures"),
            questions=("W4",),
        ),
        _vital("lcp", "Largest contentful paint.", LCP, 1, 60_000, (1000, 8000)),
        _vital("inp", "Interaction to next paint.", INP, 1, 20_000, (100, 1000)),
        Distribution(
            name="cls",
            help="Cumulative layout shift.",
            value=lambda columns: columns.number("cls"),
            low=0.001,
            high=10,
            scale=10_000,
            base=1e-4,
            unit="",
            thresholds=(0.05, *CLS, 0.5),
            questions=("W4",),
        ),
        _vital("fcp", "First contentful paint.", FCP, 1, 60_000, (1000, 6000)),
        _vital("ttfb", "Time to first byte.", TTFB, 1, 60_000, (200, 3000)),
        VitalShare(
            name="web_vital_share",
            help="Share of good, needs-improvement and poor values of each web vital.",
            vitals={
                "lcp": ("lcp_seconds", *LCP),
                "inp": ("inp_seconds", *INP),
                "cls": ("cls", *CLS),
                "fcp": ("fcp_seconds", *FCP),
                "ttfb": ("ttfb_seconds", *TTFB),
            },
            questions=("W4",),
        ),
        Uniques(name="visitors", help="Different people who saw a page.", fields=("user", "session"), questions=("I1", "U1")),
    ),
)
