"""Documents: generated ones are fresh, and what they tell people to type is true."""

import json
import re
from pathlib import Path

import pytest

from alerts.conditions import registry
from alerts.rule_spec import Spec
from monitor import docs
from monitor.checking import Checker
from monitor.failures import Code
from monitor.settings import unknown_names
from streams.events.decode import Reason
from streams.kafka.exit_codes import ExitCode
from streams.kafka.publish import key_of
from streams.metrics.registry import catalogue
from streams.reading.health import COUNTERS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PRODUCERS = (ROOT / "docs/producers.md").read_text()
PAGES = [ROOT / "README.md", *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name != "settings.md")]
FAMILIES = {family.name: family.event for family in catalogue().families}


def test_generated_files_are_fresh() -> None:
    """`make docs` would change nothing."""
    assert docs.stale() == []


def test_a_left_over_schema_is_stale(tmp_path: Path) -> None:
    """A schema of a family that is gone is named, so that it gets deleted."""
    (tmp_path / "docs/schemas").mkdir(parents=True)
    (tmp_path / "docs/schemas/gone.json").write_text("{}")
    assert "docs/schemas/gone.json" in docs.stale(tmp_path)


def headings(page: Path) -> set[str]:
    """As links name them."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_exists(page: Path) -> None:
    """Every XMON_ name is a setting, and every link to a file or a heading and every path of ours leads somewhere."""
    text = page.read_text()
    assert unknown_names(dict.fromkeys(re.findall(r"XMON_\w+", text), "")) == []
    for link in re.findall(r"\]\((?!http)([^)]+)\)", text):
        file, _, anchor = link.partition("#")
        assert (page.parent / file).exists(), link
        assert not anchor or anchor in headings(page.parent / file), link
    for path in re.findall(r"`((?:streams|alerts|monitor|tests|docs|deploy)/[\w/.-]+)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("text", [README, PRODUCERS], ids=["README.md", "producers.md"])
def test_every_topic_is_listed(text: str) -> None:
    """A new family shows up in both tables."""
    for name in FAMILIES:
        assert f"`experience.{name}`" in text


def test_the_guide_for_operators_has_every_field_of_a_rule_and_every_exit_code() -> None:
    """Nobody should have to read the program for them."""
    text = (ROOT / "docs/operating.md").read_text()
    for name in (*Spec.fields(), *registry.find()):
        assert f"`{name}`" in text, name
    told = {int(code) for cell in re.findall(r"^\| ([\d, to]+) \|", text, re.MULTILINE) for code in re.findall(r"\d+", cell)}
    assert told | set(range(83, 89)) == {int(code) for code in (*Code, *ExitCode) if code}


def test_every_example_is_accepted() -> None:
    """What the guide shows would be counted, and has the key it asks for."""
    checker = Checker(FAMILIES, 262_144)
    shown: set[str] = set()
    for block in re.findall(r"```json\n(.*?)```", PRODUCERS, re.DOTALL):
        for text in re.split(r"\n(?=\{)", block.strip()):
            event = json.loads(text)
            name = _family(event)
            checker.check(name, event)
            assert key_of(FAMILIES[name], event)
            shown.add(name)
    assert shown == set(FAMILIES)


def _family(event: dict[str, object]) -> str:
    marks = {"target": "link-error", "contact": "contact", "url": "page-load", "kind": "app-crash"}
    return next((name for mark, name in marks.items() if mark in event), "app-session")


def test_every_counter_of_the_monitor_is_listed() -> None:
    """With its label, and with the name that rules give it."""
    rows = (ROOT / "docs/metrics.md").read_text().splitlines()
    for counter, label, meaning in COUNTERS:
        assert f"| `xmon_{counter}` | {meaning} | `{label}` | `{counter.removesuffix('_total')}` |" in rows


def test_every_reason_is_listed() -> None:
    """The guide names all reasons for a dead letter."""
    assert all(f"`{reason}`" in PRODUCERS for reason in Reason)
