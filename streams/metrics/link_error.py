"""Broken links, by kind and reason, by the host that fails and the page on which people meet them."""

from streams.events.link_error import FAMILY, KINDS, REASONS
from streams.metrics.catalogue import FamilyMetrics
from streams.metrics.derived import Rate, count
from streams.metrics.stored import Counter

METRICS = FamilyMetrics(
    event=FAMILY,
    dimensions=("page", "host", "country", "device", "release"),
    figures=(
        Counter(
            name="link_errors",
            help="Links that led nowhere, by kind and reason.",
            better="lower",
            split={"kind": KINDS, "reason": REASONS},
            questions=("W2", "M3"),
        ),
        Rate(
            name="link_errors_per_view",
            series_of="page_views",
            help="Broken links for each page view.",
            better="lower",
            part=count("link_errors"),
            over=count("page_views"),
            questions=("W2",),
        ),
    ),
)
