"""Rule files: what they mean, and how their mistakes are told."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from alerts import rules
from alerts.conditions.threshold import Above, Below
from alerts.rule import Rule
from alerts.selection import Selection
from streams.metrics.registry import catalogue
from tests.alerts.fakes import FakeFigure, figures

FIGURES = figures("page_load_failure_ratio", "crash_free_session_ratio") | {
    "page_load_seconds": FakeFigure("page_load_seconds", "seconds", "distribution", ("p75", "p50", "per_second")),
    "abandonment_ratio": FakeFigure("abandonment_ratio", labels={"variant": ("raw", "excluding_short")}),
    "longest_wait_seconds": FakeFigure("longest_wait_seconds", "seconds", "live"),
    "page_views": FakeFigure("page_views", "", "counter", ("per_second", "count")),
    "app_crashes": FakeFigure("app_crashes", "", "counter", ("per_second", "count"), {"kind": ("crash", "anr")}),
    "frames": catalogue().figures["frames"],
    "visitors": FakeFigure("visitors", "", "uniques"),
}
PLAIN = "rules:\n  - name: a\n    summary: s\n    figure: page_load_failure_ratio\n"


def test_a_rule_with_everything() -> None:
    """Every field that a rule may have, and what it becomes."""
    text = """
        rules:
          - name: slow-pages
            summary: slow pages
            figure: page_load_seconds
            statistic: p50
            above: {warning: 3, critical: 6, resolve_at: 2.5}
            window: 15m
            by: page
            where: {app: checkout, environment: staging}
            for: 1m30s
            keep_firing_for: 2h
            min_n: 5
            owner: web team
            runbook: https://wiki/slow
            enabled: false
    """
    (rule,) = rules.load(text, FIGURES)

    assert rule == Rule(
        name="slow-pages",
        summary="slow pages",
        selection=Selection(
            figure="page_load_seconds",
            statistic="p50",
            window="15m",
            by="page",
            app="checkout",
            environment="staging",
            min_n=5,
        ),
        condition=Above(warning=3.0, critical=6.0, resolve_at=2.5),
        unit="seconds",
        for_ms=90_000,
        keep_firing_ms=7_200_000,
        owner="web team",
        runbook="https://wiki/slow",
        enabled=False,
    )


def test_a_rule_with_the_least() -> None:
    """What is left out: the figure's first statistic, five minutes, the whole app, 30 samples, at once."""
    (rule,) = rules.load(f"{PLAIN}    below: {{critical: 0.9}}", FIGURES)

    assert rule.condition == Below(critical=0.9)
    assert rule.selection == Selection(figure="page_load_failure_ratio", statistic="value", window="5m", min_n=30)
    assert (rule.for_ms, rule.keep_firing_ms, rule.enabled) == (0, 0, True)


def test_a_live_figure_needs_one_sample() -> None:
    """A live figure is the state itself, not a sample of it."""
    (rule,) = rules.load("rules: [{name: a, summary: s, figure: longest_wait_seconds, above: {warning: 9}}]", FIGURES)

    assert rule.selection.min_n == 1


@pytest.mark.parametrize(("figure", "counted"), [("page_views", True), ("visitors", True), ("page_load_failure_ratio", False)])
def test_of_what_is_counted_few_are_an_answer(figure: str, counted: bool) -> None:
    """Counters and people; a ratio of few samples is none."""
    (rule,) = rules.load(f"rules: [{{name: a, summary: s, figure: {figure}, above: {{warning: 0.9}}}}]", FIGURES)

    assert rule.selection.counted is counted


def test_a_count_is_not_in_the_unit_of_the_figure() -> None:
    """Page loads in a second are not measured in seconds."""
    text = "{name: a, summary: s, figure: page_load_seconds, statistic: per_second, below: {warning: 9}}"
    (rule,) = rules.load(f"rules: [{text}]", FIGURES)

    assert rule.unit == ""


MISTAKES = {
    "unknown figure": (
        "rules:\n  - name: a\n    summary: s\n    figure: page_load_failures_ratio\n    above: {warning: 1}",
        "4:5: unknown figure `page_load_failures_ratio`: did you mean `page_load_failure_ratio`?",
    ),
    "unknown field": (
        f"{PLAIN}    above: {{warning: 1}}\n    windw: 5m",
        "6:5: unknown field `windw`: did you mean `window`?",
    ),
    "unknown field of a condition": (
        f"{PLAIN}    above: {{warning: 1, resolv_at: 1}}",
        "5:25: unknown field `resolv_at`: did you mean `resolve_at`?",
    ),
    "wrong type": (
        f"{PLAIN}    above: {{warning: '1'}}",
        "5:13: `warning` must be a valid number, not '1'",
    ),
    "not a number": (
        f"{PLAIN}    above: {{warning: .nan}}",
        "5:13: `warning` must be a finite number, not 'nan'",
    ),
    "yes is no name": (
        "rules:\n  - name: yes\n    summary: s\n    figure: page_load_failure_ratio\n    above: {warning: 1}",
        "2:5: `name` must be a valid string, not 'True'",
    ),
    "missing field": (
        "rules:\n  - name: a\n    figure: page_load_failure_ratio\n    above: {warning: 1}",
        "2:5: `summary` is missing: add it",
    ),
    "broken YAML": (
        "rules:\n  - name: a\n   summary: s",
        (
            "3:4: not readable as YAML: expected <block end>, but found '<block mapping start>': "
            "check indentation, colons and quotes here and on the line before"
        ),
    ),
    "a field given twice": (
        f"{PLAIN}    figure: crash_free_session_ratio",
        "5:5: `figure` is given twice: remove one",
    ),
    "a name given twice": (
        (
            f"{PLAIN}    above: {{warning: 1}}\n  - name: a\n    summary: s\n    figure: page_load_failure_ratio\n"
            "    above: {warning: 1}"
        ),
        "6:5: a rule named `a` exists already: rename one",
    ),
    "the name of the built-in rule": (
        "rules:\n  - {name: PipelineStalled, summary: s, figure: page_load_failure_ratio, above: {warning: 1}}",
        "2:6: a rule named `PipelineStalled` exists already: rename one",
    ),
    "above and below": (
        f"{PLAIN}    above: {{warning: 1}}\n    below: {{warning: 0}}",
        "6:5: `above` and `below` in one rule: make two rules of it",
    ),
    "no limit": (PLAIN, "2:5: the rule has no limit: add `above` or `below`"),
    "an empty limit": (
        f"{PLAIN}    above: {{}}",
        "5:5: say how far is too far: give `warning`, `critical` or both",
    ),
    "a bare limit": (
        f"{PLAIN}    above: 5",
        "5:5: give the fields below, or in braces: {field: value}",
    ),
    "warning beyond critical": (
        f"{PLAIN}    above: {{warning: 0.2, critical: 0.1}}",
        "5:5: `critical` must be above `warning`, or it is reached first: swap them",
    ),
    "warning beyond critical, below": (
        f"{PLAIN}    below: {{warning: 0.1, critical: 0.2}}",
        "5:5: `critical` must be below `warning`, or it is reached first: swap them",
    ),
    "resolve_at on the wrong side": (
        f"{PLAIN}    above: {{warning: 0.1, resolve_at: 0.2}}",
        "5:5: `resolve_at` must not be above 0.1: there the alert still fires",
    ),
    "a number for a duration": (
        f"{PLAIN}    above: {{warning: 1}}\n    for: 120",
        "6:5: 120 is no duration: write it like 0s, 30s, 2m or 1h30m",
    ),
    "a bad duration": (
        f"{PLAIN}    above: {{warning: 1}}\n    keep_firing_for: 2 minutes",
        "6:5: '2 minutes' is no duration: write it like 0s, 30s, 2m or 1h30m",
    ),
    "unknown window": (
        f"{PLAIN}    above: {{warning: 1}}\n    window: 7m",
        "6:5: `window` must be '1m', '5m', '15m' or '1h', not '7m'",
    ),
    "unknown dimension": (
        f"{PLAIN}    above: {{warning: 1}}\n    by: pages",
        "6:5: `page_load_failure_ratio` has no dimension `pages`: did you mean `page`?",
    ),
    "unknown statistic": (
        f"{PLAIN}    above: {{warning: 1}}\n    statistic: p75",
        "6:5: `page_load_failure_ratio` has no statistic `p75`: known are value",
    ),
    "unknown label": (
        f"{PLAIN}    above: {{warning: 1}}\n    labels: {{variant: raw}}",
        "6:14: `page_load_failure_ratio` has no label `variant`: there are none",
    ),
    "unknown value of a label": (
        "rules:\n  - {name: a, summary: s, figure: abandonment_ratio, above: {warning: 1}, labels: {variant: row}}",
        "2:84: `abandonment_ratio` has no variant `row`: did you mean `raw`?",
    ),
    "several definitions of one thing": (
        "rules:\n  - {name: a, summary: s, figure: abandonment_ratio, above: {warning: 1}}",
        "2:27: `abandonment_ratio` is several figures: choose, as with `labels: {variant: raw}`",
    ),
    "an app for what is of none": (
        "rules:\n  - {name: a, summary: s, figure: dead_letters, above: {warning: 1}, where: {app: shop}}",
        "2:78: `dead_letters` is of no app: remove this; what it counts is told apart `by: reason`",
    ),
    "a rate that is bad on fewer samples than are judged": (
        "rules:\n  - {name: a, summary: s, figure: page_views, below: {critical: 0.05}}",
        (
            "2:47: this never fires: below 30 samples (`min_n`) nothing is judged, and 30 may stand for 0.119. Raise "
            "the limit or lower `min_n`; that nothing comes at all is told by `figure: records`, `below: {critical: 1}`"
        ),
    ),
    "a live figure is one sample": (
        "rules:\n  - {name: a, summary: s, figure: longest_wait_seconds, above: {warning: 9}, min_n: 2}",
        "2:78: this never fires: `longest_wait_seconds` is one sample. Remove `min_n`",
    ),
    "no samples at all": (
        f"{PLAIN}    above: {{warning: 1}}\n    min_n: 0",
        "6:5: `min_n` must be greater than or equal to 1, not '0'",
    ),
    "more samples than there are": (
        f"{PLAIN}    above: {{warning: 1}}\n    min_n: 1000000000000000000000000000000",
        "6:5: `min_n` must be less than or equal to 1000000000, not '1000000000000000000000000000000'",
    ),
    "a runbook at no address": (
        f"{PLAIN}    above: {{warning: 1}}\n    runbook: https://[wiki]/slow",
        "6:5: `runbook` is no address: 'wiki' does not appear to be an IPv4 or IPv6 address",
    ),
    "not a list of rules": ("alerts: []", "1:1: a rule file starts with `rules:` and has a list of rules under it"),
    "an empty file": ("", "1:1: a rule file starts with `rules:` and has a list of rules under it"),
    "something beside the rules": ("rules: []\nrule: []", "2:1: unknown field `rule`: a rule file has `rules` only"),
    "a rule that is a word": (
        "rules:\n  - crash-free",
        "2:5: a rule has fields: write `- name: …` and the others below it",
    ),
    "an alias": ("rules: &a [*a]", "1:12: aliases are not read: write out what is meant"),
    "too deep": (f"rules: {'[' * 5000}", "1:1: nested too deeply"),
}


@pytest.mark.parametrize(("text", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_mistake(text: str, message: str) -> None:
    """A mistake is told with line, column, and what to do."""
    assert [str(error) for error in rules.check(text, FIGURES)] == [f"rules:{message}"]


@pytest.mark.parametrize(
    ("fields", "fires"),
    [
        ("figure: page_views, statistic: count, below: {warning: 42.8}", False),  # up to 42.83 by chance, on 30
        ("figure: page_views, statistic: count, below: {warning: 42.9}", True),
        ("figure: page_views, statistic: count, min_n: 1, below: {warning: 5.5}", False),
        ("figure: page_views, statistic: count, min_n: 1, below: {warning: 5.6}", True),
        ("figure: page_views, window: 1m, below: {warning: 0.35}", False),  # a window of 1m reaches back up to 2m
        ("figure: page_views, window: 1m, below: {warning: 0.36}", True),
        ("figure: page_views, below: {warning: 5, critical: 0.05}", True),
        ("figure: page_views, above: {critical: 0.05}", True),
        ("figure: frames, statistic: count, below: {warning: 30}", False),  # it has no interval
        ("figure: frames, statistic: count, below: {warning: 31}", True),
        ("figure: visitors, below: {warning: 30}", False),
        ("figure: visitors, below: {warning: 40}", True),
        ("figure: page_load_failure_ratio, below: {critical: 0.01}", True),
        ("figure: records, below: {critical: 1}", True),
        ("figure: records, by: topic, below: {critical: 10}, min_n: 30", False),
        ("figure: dead_letters, above: {critical: 1}, where: {app: monitor, environment: all}", True),
        ("figure: app_crashes, statistic: count, above: {critical: 9}", True),  # parts, each a matter of its own
        ("figure: longest_wait_seconds, above: {critical: 9}, min_n: 1", True),
    ],
)
def test_what_can_fire_is_accepted_and_what_cannot_is_not(fields: str, fires: bool) -> None:
    """Samples that are too few are not judged; where they are what is counted, a low limit is never crossed."""
    assert (rules.check(f"rules: [{{name: a, summary: s, {fields}}}]", FIGURES) == []) is fires


def test_all_mistakes_are_told_at_once() -> None:
    """Nobody has to run the check once for each mistake."""
    text = f"{PLAIN}    above: {{critical: no}}\n    window: 7m\n    by: pages\n  - name: b"

    assert [error.place.line for error in rules.check(text, FIGURES)] == [5, 6, 7, 8, 8, 8]


def test_load_raises_all_mistakes(tmp_path: Path) -> None:
    """A file with mistakes is not loaded in part; the error names the file."""
    file = tmp_path / "my.yaml"
    file.write_text(f"{PLAIN}    above: 5\n  - name: b")

    with pytest.raises(rules.InvalidRules, match=r"my\.yaml:5:5: .*\n.*my\.yaml:6:5") as raised:
        rules.load(file, FIGURES)

    assert len(raised.value.errors) == 4


@pytest.mark.parametrize("content", [None, b"\xff\xfe"])
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None) -> None:
    """A missing file and one that is no text are mistakes like others."""
    file = tmp_path / "my.yaml"
    if content:
        file.write_bytes(content)

    (error,) = rules.check(file, FIGURES)

    assert "cannot be read" in error.message


FIELDS = ["name", "summary", "figure", "above", "below", "labels", "where", "for", "min_n", "by", "rules"]
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.sampled_from(["", "x", "2m", "5m", *FIGURES]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=5,
)


@given(st.lists(st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=5), max_size=2))
def test_whatever_is_written_is_answered_in_words(entries) -> None:
    """No rule file, however wrong, raises anything but InvalidRules."""
    text = yaml.safe_dump({"rules": entries}, allow_unicode=True)
    errors = rules.check(text, FIGURES)

    assert errors or len(rules.load(text, FIGURES)) == len(entries)


@given(st.text(max_size=60))
def test_whatever_text_is_answered_in_words(text: str) -> None:
    """No text raises anything."""
    rules.check(text, FIGURES)
