"""A partition's state is a function of its records, and of nothing else."""

import itertools
import random
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.metrics.registry import catalogue
from streams.state.limits import require_storable
from streams.windows import contacts, pane
from streams.windows.partition import MAX_LATENESS_MS, Partition, Policy
from streams.windows.storage import Ledger
from tests.streams.records import START, Raw, page, raw

DAY = 86_400_000
FAMILIES = {family.name: family for family in catalogue().families}


def fresh(family: str = "page-load", **policy: int) -> Ledger:
    return Ledger(Partition(FAMILIES[family], Policy(**policy)))


def stored(ledger: Ledger, before: dict[bytes, bytes] | None = None) -> dict[bytes, bytes]:
    """The hash after one more checkpoint, with what is superfluous deleted."""
    taken = ledger.checkpoint()
    after = {**(before or {}), **taken.fields}
    for field in taken.obsolete:
        after.pop(field, None)
    return after


def content(fields: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """All that must not depend on when checkpoints were taken, nor on whether deletions arrived."""
    folded_until = int(fields[b"_folded_until"])

    def lives(name: bytes) -> bool:
        kind, *rest = name.split(b":")
        return name != b"_versions" and not (kind in (b"p", b"i") and int(rest[0]) < folded_until)

    return {name: value for name, value in fields.items() if lives(name)}


def apply_in(ledger: Ledger, records: list[Raw], sizes: Iterable[int]) -> None:
    at, sizes = 0, iter(sizes)
    while at < len(records):
        size = next(sizes, len(records))
        ledger.partition.apply(records[at : at + size])
        at += size


def story(family: str, seed: int, count: int) -> list[Raw]:
    """Records out of order, late, twice, broken, of several apps, over a few seconds to days."""
    rng = random.Random(seed)
    step = rng.choice([50, 1000, 30_000, 1_200_000])
    records: list[Raw] = []
    for offset in range(count):
        now = START + offset * step
        at = now - rng.choice([0, 0, 0, 0, rng.randint(0, 60_000), rng.randint(0, 300_000), rng.randint(0, 2 * DAY)])
        event: dict[str, object] = {
            "id": f"{rng.randint(0, count)}",
            "timestamp": at,
            "app": rng.choice(["shop", "bank"]),
            "session": f"s{rng.randint(0, 30)}",
            "country": rng.choice(["DE", "FR", None]),
            "extra": 1,
        }
        if rng.random() < 0.3:
            del event["id"]
        event |= FIELDS[family](rng)
        records.append(raw(offset, event, now) if rng.random() > 0.02 else Raw(offset, now, b"{"))
    return records


FIELDS = {
    "page-load": lambda rng: {
        "page": f"/{rng.randint(0, 9)}",
        "duration_ms": rng.lognormvariate(7, 1),
        "lcp_ms": rng.choice([None, 2500, 2500.5]),
        "cls": rng.choice([None, 0.1, 0.3]),
        "status": rng.choice([200, 200, 404, 429, 500, 0]),
        "synthetic": rng.random() < 0.1,
    },
    "app-session": lambda rng: {"status": rng.choice(["started", "ended"]), "frames": rng.randint(0, 99)},
    "app-crash": lambda rng: {"kind": rng.choice(["crash", "anr", "non-fatal", None])},
    "link-error": lambda rng: {"target": f"https://h{rng.randint(0, 3)}.example/a/{rng.randint(0, 99)}"},
    "contact": lambda rng: {
        "contact": f"c{rng.randint(0, 40)}",
        "queue": f"q{rng.randint(0, 60)}",
        "synthetic": rng.random() < 0.3,
        "state": rng.choice(["queued", "answered", "abandoned", "ended", "resolved", "reopened", "transferred"]),
        "wait_seconds": rng.choice([None, None, 7]),
        "talk_seconds": rng.choice([None, 60]),
        "handled_by": rng.choice(["bot", "human", None]),
        "in_menu": rng.choice([True, False, None]),
    },
}


@pytest.mark.parametrize("family", sorted(FAMILIES))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), sizes=st.lists(st.integers(1, 80), max_size=40))
def test_any_batching_gives_the_same_bytes(family: str, seed: int, sizes: list[int]) -> None:
    """Records cut into batches in any way leave the same state, byte for byte."""
    records = story(family, seed, 200)
    whole, cut = fresh(family), fresh(family)
    whole.partition.apply(records)
    apply_in(cut, records, sizes)
    assert content(stored(cut)) == content(stored(whole))


@pytest.mark.parametrize("family", sorted(FAMILIES))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), at=st.lists(st.integers(1, 199), max_size=6), kept=st.randoms(use_true_random=False))
def test_a_crash_at_any_point_changes_nothing(family: str, seed: int, at: list[int], kept: random.Random) -> None:
    """Checkpoints anywhere, memory lost anywhere, deletions lost or not: restored and replayed, the hash is the same."""
    records = story(family, seed, 200)
    whole = fresh(family)
    whole.partition.apply(records)
    hash_: dict[bytes, bytes] = {}
    ledger = fresh(family)
    for cut in sorted({*at, 200}):
        ledger.partition.apply(records[ledger.partition.next : cut])
        taken = ledger.checkpoint()
        hash_ |= taken.fields
        if kept.random() < 0.5 or cut == 200:
            for field in taken.obsolete:
                hash_.pop(field, None)
        ledger.partition.apply(records[cut : cut + 7] or [records[-1]])  # applied, and lost with the memory
        ledger = fresh(family)
        ledger.restore(hash_)
    final = stored(ledger, hash_)
    assert content(final) == content(stored(whole))


def test_late_duplicate_and_bad_records_are_counted_and_nowhere_else() -> None:
    """A closed pane takes nothing any more; an id counts once; what is no event is a refusal."""
    ledger = fresh()
    refused = ledger.partition.apply(
        [
            page(0, 0, id="a"),
            page(1, 0, id="a"),
            page(2, 200_000, id="b"),
            page(3, 0, id="c"),
            page(4, 0, id="a"),
            Raw(5, START, b"[]"),
            raw(6, {"app": "shop", "timestamp": START + 301_000}, START),
        ]
    )
    counts = ledger.partition.counts
    assert (counts["records"], counts["duplicates"], counts["late"]) == (7, 1, 2)
    assert [(refusal.record.offset, refusal.reason) for refusal in refused] == [(5, "not_an_object"), (6, "clock_skew")]
    assert sum(int(pane.cells[1, 0]) for pane in ledger.partition.panes.values()) == 1  # b
    assert int(ledger.partition.totals.cells[1, 0]) == 1  # a, folded


def test_a_pane_closes_exactly_when_the_watermark_is_lateness_past_its_end() -> None:
    """One millisecond decides."""
    for at, late in ((129_999, 0), (130_000, 1)):
        ledger = fresh()
        ledger.partition.apply([page(0, 0), page(1, at), page(2, 9_999)])
        assert ledger.partition.counts["late"] == late


def test_a_duplicate_is_found_across_panes() -> None:
    """A retry without a timestamp arrives in the next pane, and still counts once."""
    ledger = fresh()
    ledger.partition.apply([raw(0, {"app": "a", "id": "x"}, START + 9_999), raw(1, {"app": "a", "id": "x"}, START + 10_001)])
    assert ledger.partition.counts["duplicates"] == 1


def test_values_beyond_the_limit_stay_in_the_total() -> None:
    """An explosion of values is dropped from its dimension, counted, and never from the total."""
    ledger = fresh(max_values=3)
    ledger.partition.apply([page(i, 0, page=f"/{i}") for i in range(10)])
    assert ledger.partition.series.dropped == 7
    pane = ledger.partition.panes[START]
    by_name = {name: int(pane.cells[pane._row_of[i], 0]) for i, name in enumerate(ledger.partition.series.names) if name}
    assert by_name["shop", "production", "all", "all"] == 10
    assert sum(n for name, n in by_name.items() if name.dimension == "page") == 3


def test_an_unseen_value_gives_its_place_back_after_a_day() -> None:
    """24 h of event time without a value: its number and its totals are free again."""
    ledger = fresh(max_values=1)
    ledger.partition.apply([page(0, 0, page="/old"), page(1, 200_000, page="/old")])
    ledger.partition.apply([page(2 + hour, hour * 3_600_000, page="/new") for hour in range(1, 30)])
    names = {name.value for name in ledger.partition.series.names if name and name.dimension == "page"}
    assert names == {"/new"}


def test_a_value_is_kept_as_long_as_there_is_room() -> None:
    """What other partitions have counted of it is added to this: a sum of which a part is forgotten would step back."""
    ledger = fresh(max_values=3)
    ledger.partition.apply([page(0, 0, page="/old"), page(1, 200_000, page="/old")])
    ledger.partition.apply([page(2 + hour, hour * 3_600_000, page="/new") for hour in range(1, 60)])
    assert {name.value for name in ledger.partition.series.names if name and name.dimension == "page"} == {"/old", "/new"}


def test_what_waits_is_known_by_the_names_that_are_left() -> None:
    """A queue that is forgotten while a contact still waits in it, in a checkpoint in which nothing else changes."""
    waits = {"app": "a", "contact": "c", "queue": "old", "state": "queued", "timestamp": START + 90_000}
    passes = {"app": "a", "contact": "d", "state": "queued", "synthetic": True}
    records = [raw(0, waits, START + 90_000), *(raw(i, passes, START + DAY + 200_000) for i in (1, 2))]
    whole, cut = fresh("contact", max_values=1), fresh("contact", max_values=1)
    whole.partition.apply(records)
    cut.partition.apply(records[:2])
    hash_ = stored(cut)
    cut.partition.apply(records[2:])
    assert content(stored(cut, hash_)) == content(stored(whole))


def test_one_checkpoint_holds_the_longest_lateness_and_all_contacts() -> None:
    """Every block of every pane that may be open, and every contact of a partition: none of it can be left for another."""
    ledger = fresh("contact", lateness_ms=MAX_LATENESS_MS)
    step, span = 200, MAX_LATENESS_MS + 70_000
    queued = {"app": "a", "state": "queued"}
    ledger.partition.apply(
        [
            raw(
                i,
                {**queued, "contact": f"c{i}", "topic": f"t{i % 500}", "id": f"{i}", "timestamp": START + i * step},
                START + span,
            )
            for i in range(span // step)
        ]
    )
    taken = ledger.checkpoint().fields
    kinds = Counter(name.split(b":")[0] for name in taken)
    assert kinds[b"p"] > 90 * pane.BLOCKS
    assert kinds[b"t"] == contacts.BLOCKS
    require_storable(taken)


def test_a_wait_is_found_in_any_order() -> None:
    """However the steps of a contact come: one answer and the same wait, at the time of the answer."""
    steps = [("queued", START), ("answered", START + 15_000), ("ended", START + 18_000)]
    results = []
    for order in itertools.permutations(steps):
        ledger = fresh("contact")
        fields = ({"app": "a", "contact": "c", "state": state, "timestamp": at} for state, at in order)
        ledger.partition.apply([raw(i, one, START + 30_000) for i, one in enumerate(fields)])
        layout = ledger.partition.layout
        cells = ledger.partition.panes[START + 10_000].cells[1]
        results.append((cells[layout.sum["contact_wait_seconds"]], cells[layout.cell["contacts_answered"]].sum()))
        assert ledger.partition.table.waiting() == []
    assert results == [(15_000, 1)] * 6


def test_another_layout_is_refused() -> None:
    """State that another policy wrote is never mixed with this one's."""
    ledger = fresh()
    ledger.partition.apply([page(0)])
    fields = stored(ledger)
    with pytest.raises(Exception, match="layout"):
        fresh(lateness_ms=60_000).restore(fields)


def test_a_session_of_two_apps_is_a_session_of_each() -> None:
    """Nothing is ever known across apps or environments."""
    ledger = fresh("app-session")
    scopes = [("a", "production"), ("a", None), ("a", "test"), ("b", None)]
    ledger.partition.apply(
        [raw(i, {"app": app, "environment": where, "session": "s"}) for i, (app, where) in enumerate(scopes)]
    )
    pane, column = ledger.partition.panes[START], ledger.partition.layout.cell["app_sessions"]
    totals = {name[:2]: i for i, name in enumerate(ledger.partition.series.names) if name and name.dimension == "all"}
    counted = {scope: int(pane.cells[pane._row_of[i], column].sum()) for scope, i in totals.items()}
    assert counted == {("a", "production"): 1, ("a", "test"): 1, ("b", "production"): 1}
