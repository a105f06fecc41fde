"""The contact-centre vector of the experience model, as a support system would publish it."""

import time

import pytest

from tests.e2e.monitor import ALL, Monitor

pytestmark = pytest.mark.kafka

APP = "helpdesk"
ANSWERED = [3.0] * 500 + [20.0] * 360 + [20.5] * 40 + [55.0] * 100  # 860 of 1,000 within 20 s
ABANDONED = [2.0] * 5 + [5.0] * 5 + [6.0] * 5 + [20.0] * 5 + [20.5] * 10 + [45.0] * 30  # 10 within 5 s, 20 within 20 s
PERCENT = {"f1": 83.02, "f2": 86.00, "f3": 81.13, "f4": 82.69, "f5": 82.08, "f6": 81.90}
ABANDONED_PERCENT = {"raw": 5.66, "excluding_short": 4.76}


def contact(number: int, outcome: str, wait: float, queued_ms: int) -> list[tuple[str, dict[str, object]]]:
    """Queueing and outcome; every twentieth contact's records come in the wrong order."""
    name = f"c-{number}"
    common = {"app": APP, "contact": name, "channel": "call", "queue": "orders"}
    records = [
        (name, {**common, "id": f"{name}-q", "state": "queued", "timestamp": queued_ms}),
        (name, {**common, "id": f"{name}-o", "state": outcome, "timestamp": queued_ms + round(wait * 1000)}),
    ]
    return records[::-1] if number % 20 == 0 else records


def test_the_six_service_levels_and_both_abandonment_ratios_are_those_of_the_vector(monitor: Monitor) -> None:
    """1,060 contacts without `wait_seconds`, 5 % of them in reverse order, give the published percentages, no other."""
    monitor.create_topics(4)
    queued_ms = int(time.time() * 1000) - 75_000
    outcomes = [("answered", wait) for wait in ANSWERED] + [("abandoned", wait) for wait in ABANDONED]
    records = [r for number, (outcome, wait) in enumerate(outcomes) for r in contact(number, outcome, wait, queued_ms)]
    monitor.start("worker")
    serve = monitor.start("serve")

    scrape = serve.settled(monitor.publish("contact", records))

    levels = serve.figure("service_level", window="5m")
    assert {variant: round(100 * levels[APP, "all", "value", variant], 2) for variant in PERCENT} == PERCENT
    ratios = serve.figure("abandonment_ratio", window="5m")
    assert {v: round(100 * ratios[APP, "all", "value", v], 2) for v in ABANDONED_PERCENT} == ABANDONED_PERCENT
    labels = {**ALL, "app": APP, "window": "5m"}
    for figure, expected in (("xmon_service_level", PERCENT), ("xmon_abandonment_ratio", ABANDONED_PERCENT)):
        shown = {variant: scrape.value(figure, **labels, variant=variant) for variant in expected}
        assert {variant: round(100 * (value or 0), 2) for variant, value in shown.items()} == expected
    assert scrape.of("xmon_contact_wait_seconds_bucket", APP, le="20.0") == 860
    assert scrape.of("xmon_contact_wait_seconds_count", APP) == 1000
    assert scrape.of("xmon_contact_wait_seconds_sum", APP) == pytest.approx(500 * 3 + 360 * 20 + 40 * 20.5 + 100 * 55)
    assert scrape.of("xmon_contact_abandon_seconds_bucket", APP, le="5.0") == 10
    assert scrape.of("xmon_contacts_waiting", APP) == 0
