"""Everything that Redis, the API, `/metrics` and the dead letters say, beside what the oracle counts in the topics."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from math import isclose
from typing import Any

from streams.metrics.registry import catalogue
from streams.metrics.stored import Counter as CounterRow
from tests.e2e.monitor import Process, Scrape
from tests.faults import observed, readings
from tests.faults.figures import DISTRIBUTIONS
from tests.faults.oracle import MINUTE_MS, Oracle
from tests.faults.site import KEY, LOOK_SECONDS, Place, Site

SETTLE_SECONDS = 30.0
NOW = ("contacts_waiting", "longest_wait_seconds")  # figures of now, not of a stretch
HEALTH = {  # count of the oracle → name
    "records": "records",
    "late": "late_events",
    "duplicates": "duplicate_events",
    "clock_corrections": "clock_corrections",
    "unknown_fields": "unknown_fields",
    "offsets_lost": "offsets_lost",
}
Oracles = Mapping[Place, Oracle]
Numbers = dict[Any, float]


def differences(site: Site, from_ms: int, to_ms: int, published: range | None = None) -> list[str]:
    """Where anything says otherwise than the oracle; the stretch is for the API. `published`: so many records there may be."""
    oracles, refused = count(site)
    records = sum(oracle.counts["records"] for oracle in oracles.values())
    lost = published is not None and records not in published
    found = [f"{published} records were published, {records} are in the topics"] if lost else []
    found += [line for place, oracle in oracles.items() for line in _in_redis(site, place, oracle)]
    low, high = from_ms // MINUTE_MS * MINUTE_MS, -(-to_ms // MINUTE_MS) * MINUTE_MS
    said = readings.of_span(observed.merged(oracle.span(low, high) for oracle in oracles.values()))
    for serve in site.serves:
        found += _settle(site, serve)
        scrape = Scrape(site.http.get(f"{serve.url}/metrics").text)
        found += _unequal("/metrics", _cumulative_wanted(oracles), _cumulative_found(scrape))
        found += _unequal("/metrics", _health_wanted(site, oracles), _health_found(scrape))
    answered, asked = _ask(site, site.rng.choice(site.serves), low, high)
    found += _unequal("API", {key: value for key, value in said.items() if (key[0], key[4]) in asked}, answered)
    found += _unequal("API", *_waiting(site, oracles))
    return found + _letters(site, refused)


def count(site: Site) -> tuple[dict[Place, Oracle], set[tuple[str, int, int]]]:
    """What each partition must hold by its log, and topic, partition and offset of what must be refused."""
    oracles, refused = {}, set()
    for place in site.places():
        oracle = oracles[place] = Oracle(place[0], pseudonym)
        for record in site.log.records(site.topic(place)):
            before = _refusals(oracle)
            oracle.apply([record])
            if _refusals(oracle) > before:
                refused.add((*site.topic(place), record.offset))
    return oracles, refused


def _refusals(oracle: Oracle) -> int:
    return sum(n for name, n in oracle.counts.items() if name.startswith("dead_letters:"))


def pseudonym(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), key=KEY.encode(), digest_size=8).digest(), "big") or 1


def _in_redis(site: Site, place: Place, oracle: Oracle) -> list[str]:
    fields: dict[bytes, bytes] = site.client.hgetall(site.key(place))  # type: ignore[assignment]
    if not fields:
        return [f"{place}: nothing is stored"] if oracle.next else []
    return [f"{place}: {line}" for line in observed.differences(oracle.state, observed.state(place[0], fields))]


def _settle(site: Site, serve: Process) -> list[str]:
    """Waits until the page knows all that is stored, and calls it complete; where it does not, what is missing."""
    deadline = time.monotonic() + SETTLE_SECONDS
    stored = {"{}:{}".format(*site.topic(place)): end for place in site.places() if (end := site.stored(place))}
    while True:
        health = site.ask(serve, "/api/v1/health")
        read_so_far = {one["partition"]: one["next_offset"] for one in health["partitions"]}
        if health["complete"] and read_so_far == stored:
            return []
        if time.monotonic() > deadline:
            return [*_unequal("read by serve", stored, read_so_far), *health["problems"]]
        time.sleep(LOOK_SECONDS)


# -- /metrics


def _cumulative_wanted(oracles: Oracles) -> Numbers:
    """Counters of all series, histograms of totals."""
    found: Numbers = Counter()
    for (series, (figure, kind, which)), amount in observed.merged(o.lifetime() for o in oracles.values()).items():
        if kind == "count":
            found[f"xmon_{figure}_total", *series, which] = amount
        elif series[2] == "all" and kind == "sum":
            found[f"xmon_{figure}_sum", *series, ()] = amount * readings.UNIT.get(figure, 1e-6)
        elif series[2] == "all" and kind == "le":
            found[f"xmon_{figure}_count", *series, ()] += amount
            for above in range(which, len(DISTRIBUTIONS[figure][0]) + 1):
                found[f"xmon_{figure}_bucket", *series, above] += amount
    return found


def _cumulative_found(scrape: Scrape) -> Numbers:
    """The samples of those names, by series and further labels."""
    found: Numbers = {}
    for name, figure in catalogue().figures.items():
        histogram = ("_count", "_bucket", "_sum") if name in DISTRIBUTIONS else ()
        for suffix in ("_total",) if isinstance(figure, CounterRow) else histogram:
            for labels, value in scrape._samples.get(f"xmon_{name}{suffix}", {}).items():
                said = dict(labels)
                rest: Any = tuple(said[label] for label in figure.labels)
                if suffix == "_bucket":
                    bounds = [*map(str, figure.bounds), "+Inf"]  # type: ignore[attr-defined]
                    rest = bounds.index(said["le"])
                found[
                    f"xmon_{name}{suffix}", *(said[label] for label in ("app", "environment", "dimension", "value")), rest
                ] = value
    return found


def _health_wanted(site: Site, oracles: Oracles) -> Numbers:
    found: Numbers = Counter()
    for (family, _), oracle in oracles.items():
        found["xmon_dropped_values_total", site.monitor.topic(family)] += oracle.names.dropped
        for name, n in oracle.counts.items():
            kind, _, reason = name.partition(":")
            if reason:
                found["xmon_dead_letters_total", reason] += n
            elif kind in HEALTH:
                found[f"xmon_{HEALTH[kind]}_total", site.monitor.topic(family)] += n
    return found


def _health_found(scrape: Scrape) -> Numbers:
    names = [f"xmon_{name}_total" for name in (*HEALTH.values(), "dead_letters", "dropped_values")]
    samples = ((name, labels, value) for name in names for labels, value in scrape._samples.get(name, {}).items())
    return {(name, *dict(labels).values()): value for name, labels, value in samples}


# -- the API


def _ask(site: Site, serve: Process, from_ms: int, to_ms: int) -> tuple[Numbers, set[tuple[str, str]]]:
    """All figures of the stretch, as totals and by each of their dimensions; and what was asked for."""
    found: Numbers = {}
    asked = set()
    for figure in site.ask(serve, "/api/v1/catalogue")["figures"]:
        if figure["name"] in NOW:
            continue
        for by in ("all", *figure["dimensions"]):
            asked.add((figure["name"], by))
            question = {"figure": figure["name"], "from": from_ms, "to": to_ms, "by": by}
            for reading in site.ask(serve, "/api/v1/figures", **question)["readings"]:
                place = *reading["series"].values(), tuple(reading["labels"].values())
                if reading["statistic"] != "per_second":  # the count, divided
                    found[figure["name"], reading["statistic"], *place] = reading["value"]
                    found[figure["name"], "n", *place] = reading["n"]
    return found, asked


def _waiting(site: Site, oracles: Oracles) -> tuple[Numbers, Numbers]:
    """How many wait now, and for how long: wanted, found."""
    live: dict[Any, tuple[int, int]] = {}
    for oracle in oracles.values():
        for series, (n, since) in oracle.contacts.live(oracle.names).items():
            before = live.get(series, (0, since))
            live[series] = before[0] + n, min(before[1], since)
    wanted: Numbers = {("contacts_waiting", *series): n for series, (n, _) in live.items()}
    found: Numbers = {}
    for name in NOW:
        for by in ("all", *catalogue().figures[name].dimensions):
            answer = site.ask(site.serve, "/api/v1/figures", figure=name, by=by)
            for reading in answer["readings"]:
                found[name, *reading["series"].values()] = reading["value"]
            if name == "longest_wait_seconds":
                now_ms = round(datetime.fromisoformat(answer["at"]).timestamp() * 1000)
                wanted |= {(name, *series): (now_ms - since) / 1000 for series, (_, since) in live.items() if series[2] == by}
    return wanted, found


# -- dead letters


def _letters(site: Site, refused: Iterable[tuple[str, int, int]]) -> list[str]:
    """Refused records that are not in the dead-letter topic."""
    written = {
        (letter["topic"], int(letter["partition"]), int(letter["offset"]))
        for partition in range(site.width["dead-letter"])
        for letter in site.log.headers((site.monitor.topic("dead-letter"), partition))
    }
    return [f"no dead letter for {record}" for record in sorted(set(refused) - written)[:8]]


def _unequal(where: str, wanted: Numbers, found: Numbers, most: int = 8) -> list[str]:
    """Counts are equal to the last digit; of a mean the order of its divisions changes the sixteenth."""

    def differ(key: Any) -> bool:
        return not isclose(wanted.get(key, 0), found.get(key, 0), rel_tol=1e-12)

    keys = sorted(filter(differ, wanted.keys() | found.keys()), key=repr)
    lines = [f"{where} {key}: {wanted.get(key)} wanted, {found.get(key)} found" for key in keys[:most]]
    return lines + ([f"{where}: {len(keys)} differences of {len(wanted)}"] if len(keys) > most else [])
