"""What must be true in a simulated world: the hash and every reader hold what the oracle counts.

What it may count is not taken from what is stored, but from what the world's logs held and lost (`ways.py`).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from streams.reading.replica import Replica
from streams.reading.snapshot import Snapshot
from streams.windows import storage
from tests.faults import observed
from tests.faults.figures import read
from tests.faults.oracle import MINUTES_KEPT_MS, Oracle
from tests.faults.ways import Head, Way
from tests.streams.records import START

if TYPE_CHECKING:
    from tests.faults.actors import Onlooker
    from tests.faults.simulator import World

BEGIN, END = START - 3_600_000, START + 10 * 86_400_000  # all that is ever counted


def head(position: bytes | None, log: bytes | None, meta: bytes | None) -> Head | None:
    """Where a hash stands, by three of its fields; None where there is none."""
    if position is None:
        return None
    counts = json.loads(meta or b"{}").get("counts", {})
    return Head(int(position), (log or b"").decode(), counts.get("records", 0), counts.get("offsets_lost", 0))


# -- what is stored


async def stored(world: "World") -> list[str]:
    """What is wrong with the hash at this moment, or with workers that take it for their own."""
    fields = await everything_stored(world)
    if not fields:
        return []
    ways = world.ways.to.get(int(fields[b"_next"]), ())
    return _least(_unlike(counted(world, way), fields) for way in ways) + _mistaken(world, fields)


def _mistaken(world: "World", fields: Mapping[bytes, bytes]) -> list[str]:
    """Workers that take the stored state for their own, and have another one: the two would be mixed."""
    runners = [runner for worker in world.workers for runner in worker.pipeline._runners.values()]
    ledgers = [runner._ledger for runner in runners if not runner._lock.locked()]
    at = int(fields[b"_next"])
    states = [ledger.partition for ledger in ledgers if ledger and ledger.position == ledger.stored == at]
    differ = [state for state in states if storage._meta(state) != fields[b"_meta"]]
    return [f"a worker at {state.next} has another state than the store" for state in differ]


def _unlike(oracle: Oracle, fields: Mapping[bytes, bytes]) -> list[str]:
    """Where the hash differs from the oracle."""
    try:
        found = observed.state(oracle.family, fields)
    except KeyError as error:
        return [f"the hash at {oracle.next} counts series {error}, which has no name"]
    return [f"the hash at {oracle.next}: {line}" for line in observed.differences(oracle.state, found)]


async def everything_stored(world: "World") -> dict[bytes, bytes]:
    """The hash with the content of its minutes."""
    names = list(await world.store.load(world.partition))
    contents = await world.store.read(world.partition, names)
    return {name: content for name, content in zip(names, contents, strict=True) if content is not None}


def counted(world: "World", way: Way) -> Oracle:
    """The oracle at the end of a way, which many ask for."""
    if way not in world.oracles:
        world.oracles[way] = _counted(world, way)
    return world.oracles[way]


def _counted(world: "World", way: Way) -> Oracle:
    oracle = Oracle(world.family, max_values=world.policy.max_values, max_scopes=world.policy.max_scopes)
    log = -1
    for stretch in way:
        if stretch.log == log:
            oracle.lose(stretch.start)
        log, oracle.next = stretch.log, stretch.start
        oracle.apply(world.ways.records(stretch))
        oracle.next = stretch.end
    return oracle


# -- what is read


def seen(world: "World", onlooker: "Onlooker") -> list[str]:
    """What a reader sees that is not the state of any offset, or less than it or any other has shown."""
    reader = onlooker.reader
    snapshot, replica = reader.snapshot, reader._replicas.get(world.partition)
    if not reader.health.up or not snapshot:
        return []
    lines = _less(world, onlooker, snapshot)
    if replica is None or replica.position < 0:
        return lines
    oracles = [counted(world, way) for way in world.ways.to.get(replica.position, ())]
    if not oracles:
        return [f"a reader is at {replica.position}, where nothing ever was"]
    found = {"lifetime": _lifetime(world, replica), "hour": _shown(world, snapshot)}
    unlike = _least(observed.differences(_wanted(oracle), found) for oracle in oracles)
    for oracle in oracles:
        onlooker.highest |= oracle.lifetime()
    return lines + [f"a reader at {replica.next}: {line}" for line in unlike]


def _wanted(oracle: Oracle) -> dict[str, Any]:
    return {"lifetime": dict(oracle.lifetime()), "hour": _hour(oracle)}


def _hour(oracle: Oracle) -> dict[Any, int]:
    """What is kept of all that was counted."""
    return oracle.span(max(BEGIN, oracle.folded_until - MINUTES_KEPT_MS), END)


def _less(world: "World", onlooker: "Onlooker", snapshot: Snapshot) -> list[str]:
    """What says that it is complete and shows less than any reader has; unless records are lost, or what passes with time."""
    if not snapshot.complete or world.forgetful:
        return []
    now = {} if world.days else {"hour": _shown(world, snapshot)}
    if onlooker.reader._complete_once and not world.makes_room:  # else counters are held back
        now["total"] = _totals(world, snapshot)
    fell = [
        f"{kind} {key} is {found.get(key, 0)} and was {n}"
        for kind, found in now.items()
        for key, n in world.shown[kind].items()
        if found.get(key, 0) < n
    ]
    for kind, found in now.items():
        world.shown[kind] |= Counter(found)
    return [f"a reader shows as complete: {line}" for line in fell[:3]] if _told_of_more(world, onlooker) else []


def _told_of_more(world: "World", onlooker: "Onlooker") -> bool:
    """Whether a reader has heard of more than it holds. Who wrote after it last spoke, died, and was lost with Redis' last
    seconds is believed for as long as its word is fresh: of that nobody can know."""
    replica = onlooker.reader._replicas.get(world.partition)
    spoken = [one for heard in onlooker.reader._workers._heard.values() for one in heard.status.partitions]
    return any(one.next > max(replica.next if replica else 0, 0) for one in spoken)


def _totals(world: "World", snapshot: Snapshot) -> dict[Any, int]:
    state = snapshot.families[world.family]
    return observed.table(state.names, state.totals, observed.columns(world.family)[0])


def _shown(world: "World", snapshot: Snapshot) -> dict[Any, int]:
    """The cells that a snapshot holds, as the oracle names them."""
    axis = snapshot._axis(world.family, only_totals=False)
    rollup = snapshot._rollup(world.family, axis, (BEGIN, END), only_totals=False)
    series = [(one.app, one.environment, one.dimension, one.value) for one in axis.series[: axis.named]]
    arrays = zip((rollup.cells, rollup.buckets, rollup.registers), observed.columns(world.family), strict=True)
    tables = [observed.table(series, array[: axis.named], columns) for array, columns in arrays]
    return tables[0] | tables[1] | tables[2]


def _lifetime(world: "World", replica: Replica) -> dict[str, Any]:
    """The cells that a reader's copy holds altogether."""
    columns, found = observed.columns(world.family)[0], {}
    for frame in replica.lifetime():
        for at, amount in zip(*(array.tolist() for array in frame.cells), strict=True):
            row, column = divmod(at, len(columns))
            key = tuple(replica.names.names[row]), columns[column]
            found[key] = found.get(key, 0) + amount
    return found


# -- the end


async def at_the_end(world: "World") -> list[str]:
    """What is different when nothing more happens."""
    stands = await world.head()
    if stands is None or (stands.offset, stands.log) != (world.end, world.topic_id):
        return [f"the log ends at {world.end}, what is stored at {stands}"]
    if lines := await stored(world):
        return lines
    ways = world.ways.to[stands.position]
    lines = _least(_unwritten(world, way) for way in ways)
    await world.all_look()
    for onlooker in world.onlookers:
        lines += _unread(world, onlooker, [counted(world, way) for way in ways])
    return world.wrong or lines


def _unwritten(world: "World", way: Way) -> list[str]:
    """Records that were refused and counted, and of which nobody will find a dead letter."""
    records = [record for stretch in way for record in world.ways.records(stretch)]
    refused = {record for record in records if not read(world.family, record.value, record.timestamp)[0]}
    return [f"no dead letter for offset {record.offset}" for record in sorted(refused - world.letters, key=str)]


def _unread(world: "World", onlooker: "Onlooker", oracles: list[Oracle]) -> list[str]:
    """What a reader shows in the end otherwise than the oracle counts."""
    snapshot = onlooker.reader.snapshot
    if snapshot is None or not snapshot.complete:
        return [f"a reader in the end: {line}" for line in (snapshot.problems if snapshot else ["sees nothing"])]
    found = {"totals": _totals(world, snapshot), "hour": _shown(world, snapshot)}
    return [f"a reader in the end: {line}" for line in _least(_unlike_shown(o, onlooker, found) for o in oracles)]


def _unlike_shown(oracle: Oracle, onlooker: "Onlooker", found: Mapping[str, Any]) -> list[str]:
    """Counters never fall: a reader may have seen more."""
    held = {key: n for key, n in found["totals"].items() if n <= onlooker.highest[key]}
    return observed.differences({"totals": dict(oracle.lifetime()) | held, "hour": _hour(oracle)}, found)


def _least(found: Iterable[list[str]]) -> list[str]:
    """Of what is different from each thing that it may be, that of the nearest."""
    return min(found, key=len, default=[])
