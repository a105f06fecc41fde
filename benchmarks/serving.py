"""What `serve` costs, a refresh and a scrape at a time: see `reading.py`."""

import asyncio
from collections.abc import Iterator, Sequence

from benchmarks.arena import Arena, Line, Scale
from benchmarks.markdown import Target, markdown
from benchmarks.reading import measure

MOST_MS, LEAST_SERIES = {"refresh": 100, "scrape": 150}, 10_000
NAMES = {
    "first refresh": "the first refresh, after a start",
    "first scrape": "the first scrape, which writes every label once",
    "same again": "a scrape of a snapshot that was scraped before",
    "refresh": "a refresh",
    "alerts": "all rules judged",
    "question": "a question to the API",
    "scrape": "a scrape, compressed",
}


def lines(arena: Arena, scale: Scale) -> Iterator[Line]:
    """A line for each thing that is done."""
    arena.client.flushall()
    measured = asyncio.run(measure(arena.redis.url, scale.refreshes))
    exposed = {"series": measured.series, "partitions": measured.partitions}
    for what, median, least, most in measured.rows():
        yield {"what": what, "median": median, "least": least, "most": most, "times": len(measured.costs[what]), **exposed}


def table(found: Sequence[Line]) -> str:
    rows = [
        [NAMES.get(line["what"], line["what"]), *(f"{line[name]:.0f}" for name in ("median", "least", "most", "times"))]
        for line in found
    ]
    exposed = f"{found[0]['series']:,} series, {found[0]['partitions']} partitions; ms of CPU"
    return markdown([exposed, "median", "least", "most", "times"], rows)


def targets(found: Sequence[Line]) -> Iterator[Target]:
    yield Target("series that `serve` exposes in this", found[0]["series"], LEAST_SERIES, at_least=True)
    for line in found:
        if line["what"] in MOST_MS:
            yield Target(
                f"a {line['what']} of `serve`, {line['series']:,} series, median", line["median"], MOST_MS[line["what"]], " ms"
            )
