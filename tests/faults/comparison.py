"""Everything that Redis, the API, `/metrics` and the dead letters say, beside what the oracle counts in the topics."""

import time
from collections.abc import Mapping
from hashlib import blake2b

from siphashc import siphash

from tests.e2e.monitor import Process
from tests.faults import asked, observed, scraped
from tests.faults.equal import unequal
from tests.faults.expected import Expected, Stretch
from tests.faults.oracle import MINUTE_MS, PANE_MS, Oracle
from tests.faults.site import KEY, LOOK_SECONDS, Place, Site

SECRET = blake2b(key=KEY.encode(), person=b"siphash", digest_size=16).digest()
SETTLE_SECONDS = 30.0
ANSWERED_MS = 55 * MINUTE_MS
MOST_TOLD = 8


def differences(site: Site, from_ms: int, to_ms: int, published: range | None = None) -> list[str]:
    """Where anything says otherwise than the oracle; the stretch is for the API. `published`: so many records there may be."""
    oracles = count(site)
    records = sum(oracle.counts["records"] for oracle in oracles.values())
    lost = published is not None and records not in published
    found = [f"{published} records were published, {records} are in the topics"] if lost else []
    found += [line for place, oracle in oracles.items() for line in _in_redis(site, place, oracle)]
    whole, expected = _answered(from_ms, to_ms), Expected(oracles)
    for serve in site.serves:
        found += _settle(site, serve)
        found += scraped.differences(site, serve, expected)
        found += asked.differences(site, serve, expected, whole)
    return found + _letters(site, oracles)


def _answered(from_ms: int, to_ms: int) -> Stretch:
    """What the API can be asked for: what is over, in whole minutes, and of the last hour, which goes on while we ask."""
    now = int(time.time() * 1000)
    low, high = max(from_ms, now - ANSWERED_MS), -(-to_ms // MINUTE_MS) * MINUTE_MS
    return low // MINUTE_MS * MINUTE_MS, min(high, now // PANE_MS * PANE_MS)


def count(site: Site) -> dict[Place, Oracle]:
    """What each partition must hold by its log."""
    oracles = {place: Oracle(place[0], pseudonym) for place in site.places()}
    for place, oracle in oracles.items():
        oracle.apply(site.log.records(site.topic(place)))
    return oracles


def pseudonym(text: str) -> int:
    return siphash(SECRET, text) or 1


def _in_redis(site: Site, place: Place, oracle: Oracle) -> list[str]:
    fields: dict[bytes, bytes] = site.client.hgetall(site.key(place))  # type: ignore[assignment]
    if not fields:
        return [f"{place}: nothing is stored"] if oracle.next else []
    return [f"{place}: {line}" for line in observed.differences(oracle.state, observed.state(place[0], fields))]


def _settle(site: Site, serve: Process) -> list[str]:
    """Waits until the page knows all that is stored, and calls it complete; where it does not, what is missing."""
    deadline = time.monotonic() + SETTLE_SECONDS
    stored = {"{}:{}".format(*site.topic(place)): end for place in site.places() if (end := site.stored(place))}
    read_at = None  # the instant of the snapshot that was shown when all had been read: the next one has all of it
    while True:
        health, shown = site.ask(serve, "/api/v1/health"), asked.instant(site, serve)
        read_so_far = {one["partition"]: one["next_offset"] for one in health["partitions"]}
        if health["complete"] and read_so_far == stored:
            read_at = read_at or shown
            if shown != read_at:
                return []
        if time.monotonic() > deadline:
            return [*unequal("read by serve", stored, read_so_far), *health["problems"], f"the snapshot is of {shown}"]
        time.sleep(LOOK_SECONDS)


def _letters(site: Site, oracles: Mapping[Place, Oracle]) -> list[str]:
    """Refused records without a dead letter, and letters of records that nobody refuses or for another reason. A letter may be
    written twice, and of records that are lost now there may be some."""
    refused = {(*site.topic(place), *one) for place, oracle in oracles.items() for one in oracle.refused}
    lost = {site.topic(place): oracle.lost for place, oracle in oracles.items()}
    written = {
        (letter["topic"], int(letter["partition"]), int(letter["offset"]), letter["reason"])
        for partition in range(site.width["dead-letter"])
        for letter in site.log.headers((site.monitor.topic("dead-letter"), partition))
    }
    wrong = {one for one in written - refused if not any(one[2] in offsets for offsets in lost.get(one[:2], ()))}
    lines = [f"no dead letter for {one}" for one in sorted(refused - written)]
    lines += [f"a dead letter for {one}, which nobody refuses" for one in sorted(wrong)]
    return lines[:MOST_TOLD] + ([f"… {len(lines)} dead letters"] if len(lines) > MOST_TOLD else [])
