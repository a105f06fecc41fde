"""A partition holds, in every cell, what the oracle counts event by event."""

import json
import os
import random
from collections.abc import Iterator, Mapping

import pytest

from streams.metrics.registry import catalogue
from streams.windows.partition import Partition, Policy
from streams.windows.storage import Checkpoint, Ledger
from tests.faults import observed, tables
from tests.faults.generator import FAMILIES, Generator, logs, with_holes
from tests.faults.oracle import Oracle
from tests.streams.records import Raw

SEEDS = range(int(os.environ.get("XMON_SIMULATOR_SEEDS", "6")))
RULES = {family.name: family for family in catalogue().families}


class Hash:
    """A hash after each of its checkpoints."""

    def __init__(self) -> None:
        self.fields: dict[bytes, bytes] = {}

    def take(self, checkpoint: Checkpoint) -> None:
        self.fields |= checkpoint.fields
        for field in checkpoint.obsolete:
            self.fields.pop(field, None)


def applied(family: str, records: list[Raw], rng: random.Random, policy: Policy, *, most: int = 120) -> dict[bytes, bytes]:
    """The hash after batches of any size, with a checkpoint after some of them and a restart after a few of those."""
    ledger, stored, at = Ledger(Partition(RULES[family], policy)), Hash(), 0
    while at < len(records):
        size = rng.randint(1, most)
        ledger.partition.apply(records[at : at + size])
        at += size
        if rng.random() < 0.5 or at >= len(records):
            stored.take(ledger.checkpoint())
            if rng.random() < 0.3:
                ledger = Ledger(Partition(RULES[family], policy))
                ledger.restore(stored.fields)
    return stored.fields


def unlike(oracle: Oracle, fields: Mapping[bytes, bytes]) -> list[str]:
    return observed.differences(oracle.state, observed.state(oracle.family, fields))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_cell_is_the_oracles(seed: int, family: str) -> None:
    """All five families, duplicated, reordered, late and broken, in random batches with restarts between."""
    rng = random.Random(seed)
    step = rng.choice([50, 1000, 5000, 60_000])
    generator = Generator(seed, (family,), step_ms=step, late=rng.choice([0.02, 0.2]), bad=rng.choice([0.01, 0.2]))
    records = with_holes(logs(generator, 500)[family, 0], rng)
    oracle = Oracle(family)
    oracle.apply(records)
    assert unlike(oracle, applied(family, records, rng, Policy())) == []


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", SEEDS)
def test_limits_of_values_and_apps_are_the_oracles(seed: int, family: str) -> None:
    """Little room for values and apps, and days with quiet hours, after which places are given back."""
    rng = random.Random(f"{family}{seed}")
    records: list[Raw] = []
    for day in range(3):
        start = 1_800_000_000_000 + day * rng.randint(20, 40) * 3_600_000
        part = logs(Generator(seed * 3 + day, (family,), start_ms=start, step_ms=rng.choice([1000, 300_000])), 120)[family, 0]
        records += [Raw(len(records) + i, one.timestamp, one.value, one.key) for i, one in enumerate(part)]
    oracle = Oracle(family, max_values=2, max_scopes=2)
    oracle.apply(records)
    policy = Policy(max_values=2, max_scopes=2)
    assert unlike(oracle, applied(family, records, rng, policy, most=40)) == []


def damaged(family: str, content: bytes) -> Iterator[bytes]:
    """A field of a keyed table that lacks its first entry, and for contacts each way in which its first row may be wrong."""
    if family != "contact":
        yield content[8:]
        yield content[8:16] + content[:8] + content[16:]
        return
    first, *others = json.loads(content)
    yield json.dumps(others).encode()
    for place, value in enumerate(first):
        wrong = {"app": "none"} if isinstance(value, dict | None) else f"{value}." if isinstance(value, str) else value + 1
        yield json.dumps([[*first[:place], wrong, *first[place + 1 :]], *others]).encode()


@pytest.mark.parametrize("family", ["app-crash", "app-session", "contact"])
def test_a_keyed_table_that_is_wrong_is_noticed(family: str) -> None:
    """Whatever is missing, in another order, in another place or different in a field of a keyed table is a difference."""
    records = logs(Generator(1, (family,)), 500)[family, 0]
    oracle = Oracle(family)
    oracle.apply(records)
    fields = applied(family, records, random.Random(1), Policy())
    assert unlike(oracle, fields) == []
    full = [field for field, content in fields.items() if field.startswith(b"t:") and len(content) > 16]
    assert full
    wanted, until = {"table": oracle.state["table"]}, oracle.folded_until
    for field in full:
        assert unlike(oracle, {other: content for other, content in fields.items() if other != field})
        for wrong in damaged(family, fields[field]):
            found = {"table": tables.stored(family, {**fields, field: wrong}, until)}  # of these fields nothing else is read
            assert observed.differences(wanted, found), wrong
    if family == "contact":
        assert unlike(oracle, {**fields, full[0]: fields[full[1]], full[1]: fields[full[0]]}), "rows that nobody would find"


def test_the_generator_repeats_itself() -> None:
    """The same seed gives the same events, of every family, with all that may go wrong."""
    first, second = (logs(Generator(7), 2000, partitions=2) for _ in range(2))
    assert first == second
    counted = [Oracle(family) for family, _ in first]
    for oracle, records in zip(counted, first.values(), strict=True):
        oracle.apply(records)
    names = {name for oracle in counted for name, n in oracle.counts.items() if n}
    assert {"late", "duplicates", "clock_corrections", "synthetic", "unknown_fields", "dead_letters:clock_skew"} <= names
    assert {oracle.family for oracle in counted} == set(FAMILIES)
