"""The demo's story: the same for a seed, in order, within the contracts, with three incidents that begin and end."""

import json
from collections import Counter
from itertools import islice, pairwise, takewhile

import pytest
from pydantic import TypeAdapter

from monitor.demo.incidents import DAY_SECONDS, LINK, QUEUE, RELEASE
from monitor.demo.story import Moment, tell
from streams.events import app_crash, app_session, contact, link_error, page_load

FAMILIES = {module.FAMILY.name: module.FAMILY for module in (app_crash, app_session, contact, link_error, page_load)}


@pytest.fixture(scope="module")
def day() -> list[Moment]:
    return list(takewhile(lambda moment: moment.at < DAY_SECONDS, tell(seed=1)))


def between(day: list[Moment], begin: float, end: float, family: str) -> list[Moment]:
    return [moment for moment in day if begin <= moment.at < end and moment.family == family]


def test_the_same_seed_tells_the_same_story() -> None:
    """Nothing but the seed decides."""
    assert list(islice(tell(7), 2000)) == list(islice(tell(7), 2000))
    assert list(islice(tell(7), 2000)) != list(islice(tell(8), 2000))


def test_moments_come_in_the_order_of_time(day: list[Moment]) -> None:
    """A player can send them as they come."""
    assert all(before.at <= after.at for before, after in pairwise(day))


def test_every_event_keeps_its_contract(day: list[Moment]) -> None:
    """No event of the demo is a dead letter, and no id comes twice."""
    validators = {name: TypeAdapter(family.model) for name, family in FAMILIES.items()}
    for moment in day[::5]:
        validators[moment.family].validate_json(json.dumps(moment.fields))
    assert len({moment.fields["id"] for moment in day}) == len(day)
    assert {moment.family for moment in day} == set(FAMILIES)


def test_the_rate_is_that_of_a_small_product(day: list[Moment]) -> None:
    """Between 100 and 300 events a second once visits overlap, and more in the evening than at night."""
    rates = Counter(int(moment.at) // 20 for moment in day)
    assert all(100 <= rates[n] / 20 <= 300 for n in range(2, DAY_SECONDS // 20))


def crashed(day: list[Moment], begin: float, end: float, device: str) -> float:
    started = [m for m in between(day, begin, end, "app-session") if m.fields["status"] == "started"]
    sessions = {m.fields["session"] for m in started if m.fields["device"] == device and m.fields["app"] == "shop"}
    return sum(m.fields["session"] in sessions for m in between(day, begin, end + 60, "app-crash")) / len(sessions)


def test_a_bad_release_crashes_on_tablets_only(day: list[Moment]) -> None:
    """At its peak one session in ten or more crashes on a tablet, on other devices as few as ever, and it ends."""
    assert crashed(day, RELEASE.peaks, RELEASE.fades, "tablet") > 0.1
    assert crashed(day, RELEASE.peaks, RELEASE.fades, "mobile") < 0.02
    assert crashed(day, RELEASE.ends, DAY_SECONDS, "tablet") < 0.02


def test_a_bad_release_is_slow(day: list[Moment]) -> None:
    """Pages on tablets with the bad release take more than twice as long as on others."""
    loads = [m.fields for m in day if m.family == "page-load" and m.fields["device"] == "tablet" and m.fields["status"]]
    bad = sorted(load["duration_ms"] for load in loads if load["release"] == "5.3.0")
    good = sorted(load["duration_ms"] for load in loads if load["release"] != "5.3.0")
    assert bad[len(bad) // 2] > 2 * good[len(good) // 2]


def test_a_broken_link_appears_and_is_mended(day: list[Moment]) -> None:
    """The dead sale is met often while it is linked, and never afterwards."""
    dead = [moment.at for moment in day if moment.fields.get("target", "").endswith("/sale/winter")]
    assert len(dead) > 60
    assert min(dead) >= LINK.begins
    assert max(dead) < LINK.ends + 2


def abandoned(day: list[Moment], begin: float, end: float) -> float:
    states = Counter(m.fields["state"] for m in between(day, begin, end, "contact") if m.fields["app"] == "shop")
    return states["abandoned"] / (states["abandoned"] + states["answered"])


def test_the_queue_grows_and_empties(day: list[Moment]) -> None:
    """A quarter or more give up while support cannot keep up; few do before and after."""
    assert abandoned(day, 0, QUEUE.begins) < 0.1
    assert abandoned(day, QUEUE.peaks, QUEUE.ends) > 0.25
    assert abandoned(day, QUEUE.ends + 50, DAY_SECONDS) < 0.1


def test_the_past_is_quiet() -> None:
    """Seconds before the first have no incident, so a page can open on a good day."""
    past = list(takewhile(lambda moment: moment.at < 0, tell(seed=3, begin=-60)))
    assert past[0].at < -59
    assert not [moment for moment in past if moment.fields.get("release") == "5.3.0"]
