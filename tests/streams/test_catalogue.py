"""The catalogue: one row a figure, and everything else follows from it."""

import json
import re
from collections import Counter as Tally

import pytest
from prometheus_client.parser import text_string_to_metric_families as parse

from monitor.dashboard import dashboard
from monitor.docs import _metrics, json_schema
from monitor.exposition import Exposition
from monitor.query import ask
from monitor.web.cards import scopes
from monitor.web.history import History
from streams.events.envelope import Event, EventFamily, Milliseconds
from streams.metrics.catalogue import Catalogue, FamilyMetrics, Figure
from streams.metrics.derived import Ratio, count
from streams.metrics.registry import catalogue
from streams.metrics.stored import Counter, Distribution
from tests.streams.world import World, by, partition, total, value


class Search(Event, total=False):
    """Somebody searched."""

    results: int | None
    answer_ms: Milliseconds


OWN = FamilyMetrics(
    event=EventFamily("search", Search),
    dimensions=("country", "page"),
    figures=(
        Counter(name="searches", help="Searches.", questions=("W5",)),
        Counter(name="empty_searches", help="Without a result.", better="lower", where=lambda c: c.equals("results", 0)),
        Ratio(
            name="empty_search_ratio",
            help="Share of searches without a result.",
            better="lower",
            part=count("empty_searches"),
            whole=count("searches"),
            questions=("W5",),
        ),
        Distribution(
            name="search_seconds",
            help="Until the results are there.",
            value=lambda c: c.number("answer_ms"),
            low=1,
            high=60_000,
            thresholds=(100, 1000),
            questions=("W5",),
        ),
    ),
)
ROWS = Catalogue((*catalogue().families, OWN))


@pytest.fixture
async def world() -> World:
    """Four searches were published and read."""
    world = World(partition("search"), rows=ROWS)
    searches = [("DE", 3, 80), ("DE", 0, 200), ("FR", 9, 90), ("FR", 1, 2000)]
    world.write(partition("search"), *[{"country": c, "results": n, "answer_ms": ms} for c, n, ms in searches])
    await world.at(1000)
    return world


async def test_a_family_of_ones_own_is_counted(world: World) -> None:
    """From records to windows, by its dimensions, without any other file."""
    snapshot = world.reader.snapshot
    assert snapshot
    assert value(snapshot, "empty_search_ratio") == 0.25
    assert by(snapshot, "empty_search_ratio", "country") == {"DE": 0.5, "FR": 0}
    assert by(snapshot, "searches", "page", statistic="count") == {"unknown": 4}
    assert value(snapshot, "search_seconds", statistic="mean") == 2.37 / 4
    assert value(snapshot, "search_seconds", statistic="p75") == pytest.approx(0.2, rel=0.02)
    assert total(snapshot, "searches") == 4


async def test_it_is_exposed_to_prometheus(world: World) -> None:
    """Counters, ratios with n and interval, quantiles and the histogram."""
    text = Exposition(world.reader).render()[0].decode()
    samples = [sample for family in parse(text) for sample in family.samples if sample.labels.get("dimension") == "all"]
    found = {sample.name.removeprefix("xmon_") for sample in samples}
    assert found == {
        *("searches_total", "searches_per_second", "empty_searches_total", "empty_searches_per_second"),
        *("empty_search_ratio", "empty_search_ratio_n", "empty_search_ratio_interval"),
        *("search_seconds_quantile", "search_seconds_mean", "search_seconds_mean_interval", "search_seconds_n"),
        *("search_seconds_bucket", "search_seconds_sum", "search_seconds_count"),
    }
    buckets = {s.labels["le"]: s.value for s in samples if s.name == "xmon_search_seconds_bucket"}
    assert buckets == {"0.1": 2, "1.0": 3, "+Inf": 4}


async def test_the_page_puts_it_under_its_question(world: World) -> None:
    """A figure that answers a question stands there, one without among the others."""
    assert world.reader.snapshot
    (shop,) = scopes(world.reader.snapshot, "5m", [], History())
    shown = {group.question: {card.name for card in (*group.cards, *group.counts)} for group in shop.groups}
    assert shown == {
        "Is it easy to find the way?": {"searches", "empty_search_ratio", "search_seconds"},
        "What else is measured?": {"empty_searches"},
    }


async def test_the_api_answers_for_it(world: World) -> None:
    """Its figures and dimensions are known, and nearly right names are helped along."""
    assert world.reader.snapshot
    question = ask(world.reader.snapshot, {"figure": "search_seconds", "by": "country", "statistic": "p95"})
    assert {reading.series.value for reading in question.readings(world.reader.snapshot)} == {"DE", "FR"}


def test_schema_reference_and_dashboard_follow() -> None:
    """What is generated for the other families is generated for this one."""
    schema = json.loads(json_schema(OWN.event))
    assert {"results", "answer_ms", "app", "session"} <= schema["properties"].keys()
    assert schema["required"] == ["app"]
    reference = "\n".join(_metrics(ROWS))
    assert "## search" in reference
    assert "| `xmon_empty_search_ratio` | Share of searches without a result. | ratio | lower |  | W5 |" in reference
    panels = {panel["title"] for panel in dashboard(ROWS)["panels"]}
    assert {"search", "Searches", "Search seconds"} <= panels


def test_two_figures_of_one_name_are_refused() -> None:
    """Across families too: a name is a name in Prometheus."""
    again = FamilyMetrics(EventFamily("other", Search), (), (Counter(name="searches", help="Again."),))
    with pytest.raises(ValueError, match=r"figures of the same name: \['searches'\]"):
        Catalogue((OWN, again))


FIGURES = list(ROWS.figures.values())
NAME = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?")
TAKEN = {"app", "environment", "dimension", "value", "window", "quantile", "le", "bound", "job", "instance"}


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.name)
def test_names_and_labels_are_prometheus_names(figure: Figure) -> None:
    """Names end in no suffix that is given to them later, and labels take no place that is taken."""
    assert NAME.fullmatch(figure.name)
    suffixes = ("_total", "_bucket", "_sum", "_count", "_n", "_interval", "_quantile", "_mean", "_per_second")
    assert not figure.name.endswith(suffixes)
    assert all(NAME.fullmatch(label) and label not in TAKEN for label in figure.labels)
    assert all(NAME.fullmatch(dimension) and dimension != "all" for dimension in figure.dimensions)
    assert figure.help.endswith(".")
    if figure.unit:
        assert figure.name.endswith(f"_{figure.unit}") or figure.unit == "ratio"


def test_no_name_can_mean_two_things() -> None:
    """A figure with a suffix is never another figure."""
    suffixes = ("", "_n", "_interval", "_total", "_bucket", "_sum", "_count", "_quantile", "_mean", "_per_second")
    names = Tally(figure.name + suffix for figure in FIGURES for suffix in suffixes)
    assert not [name for name, times in names.items() if times > 1]
