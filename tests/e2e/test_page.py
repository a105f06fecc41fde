"""The live page as a person on call sees it on a telephone, in a real Chromium."""

from pathlib import Path

import pytest

from tests.conftest import real
from tests.e2e.browser import Browser
from tests.e2e.monitor import Monitor, eventually

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

TELEPHONE_PIXELS = 390
RULES = """
rules:
  - name: failing-pages
    summary: page loads that failed
    figure: page_load_failure_ratio
    above: {critical: 0.05}
    window: 5m
    for: 0s
    min_n: 30
    owner: web team
"""


def views(status: int, count: int) -> list[tuple[str, dict[str, object]]]:
    event = {"app": "corner-shop", "page": "/checkout", "status": status, "duration_ms": 1000}
    return [(f"s-{number}", {**event, "session": f"s-{number}"}) for number in range(count)]


@pytest.fixture
def telephone(tmp_path: Path) -> Browser:
    with real("Chromium"):
        return Browser(tmp_path, TELEPHONE_PIXELS)


def test_the_page_shows_figures_and_alerts_as_they_come(monitor: Monitor, telephone: Browser, tmp_path: Path) -> None:
    """An open page, never reloaded, shows the app, a figure with its value, and the alert once it fires; nothing overflows."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    monitor.create_topics(2)
    xmon = monitor.start("run", XMON_RULES_FILE=rules)
    with telephone as page:
        page.open(xmon.url)
        eventually(lambda: shows(page, "Experience monitor"))
        page.evaluate("window.opened = 'once'")

        monitor.publish("page-load", views(200, 100))
        eventually(lambda: shows(page, "corner-shop", "Page load failure", "Pages", "All quiet"))

        monitor.publish("page-load", views(500, 100))
        eventually(lambda: shows(page, "critical", "page loads that failed", "50", "above 5", "web team", "n 200"))
        assert page.evaluate("window.opened") == "once"
        assert page.evaluate("window.innerWidth") == TELEPHONE_PIXELS
        assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE_PIXELS

        page.screenshot(tmp_path / "telephone.png")
        assert (tmp_path / "telephone.png").stat().st_size > 10_000
        page.open(f"{xmon.url}/figure/page_load_failure_ratio?app=corner-shop&by=page")
        eventually(lambda: shows(page, "/checkout", "Share of page views that failed"))
        assert page.evaluate("document.documentElement.scrollWidth") <= TELEPHONE_PIXELS


def shows(page: Browser, *words: str) -> None:
    text = " ".join((page.text() or "").split())
    missing = [word for word in words if word.lower() not in text.lower()]
    assert not missing, f"{missing} are not in: {text}"
