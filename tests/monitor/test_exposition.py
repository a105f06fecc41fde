"""What Prometheus gets."""

import os
import shutil
import subprocess
from collections import Counter
from dataclasses import asdict
from functools import cache
from math import inf

import pytest
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse

from monitor.exposition import Exposition
from streams.reading.figures import HistogramTotal, Series, Total
from tests.monitor.fake_snapshot import CRITICAL, NOON_MS, WARNING, FakeAlerts, FakeSnapshot, FakeSource, healthy

HOSTILE = '<script>"\\\n}{a="b"'
OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def render(source=None, accept="", alerts=None):
    return Exposition(source or FakeSource(), alerts or FakeAlerts(CRITICAL, WARNING)).render(accept)[0].decode()


@cache
def samples(text):
    return [sample for family in parse(text) for sample in family.samples]


def value(text, name, **labels):
    found = [s.value for s in samples(text) if s.name == name and labels.items() <= s.labels.items()]
    assert len(found) == 1, f"{name}{labels}: {found}"
    return found[0]


SHOP = {"app": "shop", "environment": "production", "dimension": "all", "value": "all"}


def test_promtool_finds_nothing_to_complain_about():
    """Names, types, units and labels follow Prometheus' conventions."""
    if shutil.which("promtool") is None:
        assert os.environ.get("REQUIRE_REAL") != "1", "promtool is required and not installed"
        pytest.skip("promtool is not installed")
    checked = subprocess.run(["promtool", "check", "metrics"], input=render(), text=True, capture_output=True, check=False)

    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_no_name_has_two_types(accept):
    """Each name is declared once, and no two samples have the same name and labels."""
    text = render(accept=accept)
    families = list((parse_openmetrics if accept else parse)(text))
    declared = Counter(line.split()[2] for line in text.splitlines() if line.startswith("# TYPE"))
    series = Counter((s.name, *sorted(s.labels.items())) for family in families for s in family.samples)

    assert not [name for name, times in declared.items() if times > 1]
    assert not [name for name, times in series.items() if times > 1]
    assert len(series) > 500


def test_a_ratio_has_its_samples_and_interval_for_each_window():
    """A ratio is a gauge of its own name; `_n` and `_interval` say how far to trust it."""
    text = render()
    name, labels = "xmon_page_load_failure_ratio", {**SHOP, "window": "5m"}

    low = value(text, f"{name}_interval", bound="low", **labels)
    high = value(text, f"{name}_interval", bound="high", **labels)
    assert low < value(text, name, **labels) < high
    assert value(text, f"{name}_n", **labels) == 12_000


def test_a_distribution_has_quantiles_a_mean_and_a_cumulative_histogram():
    """Windowed and cumulative figures never share a name."""
    text = render()

    assert value(text, "xmon_page_load_seconds_quantile", quantile="0.75", window="1h", **SHOP) > 1
    assert value(text, "xmon_page_load_seconds_mean", window="1h", **SHOP) > 1
    assert value(text, "xmon_page_load_seconds_bucket", le="3.0", **SHOP) == 940
    assert value(text, "xmon_page_load_seconds_bucket", le="+Inf", **SHOP) == 1000
    assert value(text, "xmon_page_load_seconds_count", **SHOP) == 1000
    assert value(text, "xmon_page_load_seconds_sum", **SHOP) == 1830.25


def test_a_counter_is_cumulative_and_per_second():
    """A count in a window is not told: the cumulative one says more."""
    text = render()

    assert value(text, "xmon_page_views_total", **SHOP) == 1000
    assert value(text, "xmon_page_views_per_second", window="1m", **SHOP) > 30
    assert not [s.name for s in samples(text) if s.name.startswith("xmon_page_views_count")]


def test_a_value_of_a_dimension_tells_less_than_the_total():
    """Values are many: one window with n, few quantiles, neither interval nor histogram."""
    figures = ("xmon_page_load_failure_ratio", "xmon_page_load_seconds")
    found = [s for s in samples(render()) if s.name.startswith(figures) and s.labels["dimension"] == "country"]

    assert {s.name.replace("xmon_page_load", "") for s in found} == {
        "_failure_ratio",
        "_failure_ratio_n",
        "_seconds_quantile",
        "_seconds_mean",
        "_seconds_n",
    }
    assert {s.labels["window"] for s in found} == {"5m"}
    assert {s.labels["quantile"] for s in found if "quantile" in s.labels} == {"0.5", "0.75", "0.95"}


@pytest.mark.parametrize(("windows", "told"), [(("1m", "1h"), {"1m", "1h"}), (("none",), set())])
def test_a_setting_says_in_which_windows_values_are_told(windows, told):
    """Totals have all windows whatever it says, and live figures have none."""
    text = Exposition(FakeSource(), value_windows=windows).render()[0].decode()
    ratios = [s.labels for s in samples(text) if s.name == "xmon_page_load_failure_ratio"]

    assert {labels["window"] for labels in ratios if labels["dimension"] == "page"} == told
    assert {labels["window"] for labels in ratios if labels["dimension"] == "all"} == {"1m", "5m", "15m", "1h"}
    assert any(s.labels["dimension"] == "queue" for s in samples(text) if s.name == "xmon_contacts_waiting")


def test_histograms_are_told_of_totals_only():
    """A counter is there for every value, a histogram for the totals alone."""
    text = render(FakeSource(ByCountry()))
    names = {s.name for s in samples(text) if s.labels.get("dimension") == "country" and "window" not in s.labels}

    assert names == {"xmon_page_views_total"}
    assert value(text, "xmon_page_load_seconds_count", **SHOP) == 1000


class ByCountry(FakeSnapshot):
    """A snapshot whose totals know a country too."""

    def totals(self):
        germany = Series("shop", "production", "country", "DE")
        histogram = HistogramTotal("page_load_seconds", germany, ((1.0, 400), (inf, 500)), 900.0)
        return (*super().totals(), Total("page_views", germany, (), 500), histogram)


def test_a_live_figure_has_no_window():
    """What waits now does not depend on a stretch of time."""
    text = render()
    found = [s.labels for s in samples(text) if s.name == "xmon_contacts_waiting" and s.labels["dimension"] == "all"]

    assert [set(labels) for labels in found] == [set(SHOP)] * 2


def test_extra_labels_tell_variants_apart():
    """The six definitions of the service level are six series."""
    found = {s.labels["variant"] for s in samples(render()) if s.name == "xmon_service_level"}

    assert found == {"f1", "f2", "f3", "f4", "f5", "f6"}


def test_dead_letters_carry_only_their_reason():
    """Scripts ask for `xmon_dead_letters_total{reason="…"}` and get one series."""
    assert 'xmon_dead_letters_total{reason="bad_json"} 3.0\n' in render()


def test_lag_is_told_by_partition():
    """A partition that nobody has measured has no lag, not a lag of 0."""
    assert 'xmon_lag_records{partition="0",topic="experience.page-load"} 0.0\n' in render()


def test_the_alert_engine_tells_what_fires_and_what_was_delivered():
    """A severity without an alert is 0, so that its end can be seen."""
    text = render(alerts=FakeAlerts(CRITICAL))

    assert value(text, "xmon_alerts_firing", severity="critical") == 1
    assert value(text, "xmon_alerts_firing", severity="warning") == 0
    assert value(text, "xmon_notifications_total", target="chat", outcome="failed") == 1


def test_figures_disappear_when_they_are_stale():
    """Old figures are no figures: only what says so remains."""
    text = render(FakeSource(health=healthy(up=False, age_seconds=15.1)))

    assert value(text, "xmon_up") == 0
    assert value(text, "xmon_snapshot_complete") == 0
    assert not [s.name for s in samples(text) if "page" in s.name or "records" in s.name]


def test_figures_survive_a_short_silence_of_the_store():
    """For 15 s the last figures are still shown."""
    text = render(FakeSource(health=healthy(up=False, age_seconds=14.9)))

    assert value(text, "xmon_up") == 0
    assert value(text, "xmon_page_views_total", **SHOP) == 1000


def test_before_the_first_snapshot_there_is_only_the_condition():
    """A scrape right after the start is answered."""
    text = render(FakeSource(snapshot=None))

    assert value(text, "xmon_up") == 1
    assert "xmon_page" not in text


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_hostile_names_come_out_as_they_went_in(accept):
    """Quotes, backslashes and line ends in an app's name neither break the format nor add a sample."""
    text = render(FakeSource(FakeSnapshot(scopes=[(HOSTILE, "production")])), accept)
    families = (parse_openmetrics if accept else parse)(text)
    apps = {s.labels["app"] for family in families for s in family.samples if "app" in s.labels}

    assert apps == {HOSTILE}


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_a_nul_in_a_name_takes_no_scrape_away(accept):
    """Prometheus refuses all that it stands in, so it is written as people write it."""
    text = render(FakeSource(FakeSnapshot(scopes=[("a\0b", "production")])), accept)
    families = (parse_openmetrics if accept else parse)(text)

    assert "\0" not in text
    assert {s.labels["app"] for family in families for s in family.samples if "app" in s.labels} == {"a\\0b"}


@pytest.mark.parametrize("escaping", ["", "; escaping=allow-utf-8", "; escaping=dots"])
@pytest.mark.parametrize("form", ["text/plain; version=1.0.0", OPENMETRICS])
def test_what_is_told_again_is_written_as_the_library_writes_it(form, escaping):
    """While values move, apps come and go, and figures are stale for a while."""
    accept, source = form + escaping, FakeSource()
    exposition = Exposition(source, FakeAlerts(CRITICAL, WARNING))
    shop, odd = ("shop", "production"), (HOSTILE + "\u2028", "production")
    for second, scopes in enumerate([(shop,), (shop, odd), (odd,), (), (shop,)]):
        source.snapshot = FakeSnapshot(NOON_MS + 7000 * second, scopes)
        source.health = healthy(age_seconds=16.0 * (not scopes))
        body, content_type = exposition.render(accept)
        encode, expected = choose_encoder(accept)

        assert content_type == expected
        assert body == encode(Collected(exposition.collect()))


class Collected:
    """Families in the library's own words."""

    def __init__(self, families):
        self._families = families

    def collect(self):
        for family in self._families:
            metric = Metric(family.name, family.help, family.kind)
            for (name, series, labels), value in family.samples:
                metric.add_sample(name, (asdict(series) if series else {}) | dict(labels), value)
            yield metric


@pytest.mark.parametrize("accept", ["text/plain; version=x", "application/openmetrics-text; version=", "*/*", "\x00"])
def test_an_odd_accept_header_is_answered(accept):
    """Whoever asks gets something to read."""
    assert "xmon_up 1.0" in render(accept=accept)
