"""What must be true in a simulated world: the hash and every reader hold what the oracle counts."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from streams.reading.reader import Reader
from streams.reading.replica import Replica
from streams.reading.snapshot import Snapshot
from streams.windows import storage
from tests.faults import observed
from tests.faults.figures import read
from tests.faults.oracle import MINUTE_MS, Oracle
from tests.streams.records import START

if TYPE_CHECKING:
    from tests.faults.simulator import World

HOUR = START - 60 * MINUTE_MS  # all that is ever counted


async def on_the_way(world: "World") -> list[str]:
    """What is wrong at this moment: with workers, or with what the reader sees, where it is not the state of any offset."""
    if mistaken := await _mistaken(world):
        return mistaken
    snapshot = await world.reader.refresh(world.now_ms)
    replica = world.reader._replicas.get(world.partition)
    if not world.reader.health.up or replica is None or replica.next < 0:
        return []
    assert snapshot
    oracle = counted(world, replica.counts, replica.next)
    world.highest |= oracle.lifetime()
    wanted = {"lifetime": oracle.lifetime(), "hour": oracle.span(*_hour(world))}
    found = {"lifetime": _lifetime(world, replica), "hour": _shown(snapshot, world)}
    return [f"a reader at {replica.next}: {line}" for line in observed.differences(wanted, found)]


async def _mistaken(world: "World") -> list[str]:
    """Workers that take the stored state for their own, and have another one: the two would be mixed."""
    position, meta = await world.store.read(world.partition, [b"_next", b"_meta"])
    idle = [worker for worker in world.workers if worker not in world._calling]
    ledgers = [runner._ledger for worker in idle for runner in worker.pipeline._runners.values()]
    states = [ledger.partition for ledger in ledgers if ledger and ledger.position == ledger.stored == int(position or -1)]
    return [f"a worker at {state.next} has another state than the store" for state in states if storage._meta(state) != meta]


async def at_the_end(world: "World") -> list[str]:
    """What is different when nothing more happens."""
    fields = await everything_stored(world)
    if not fields:
        return ["nothing is stored"]
    oracle = counted(world, observed.counts(fields), world.records[-1].offset + 1)
    return [
        *await _unlike(world, oracle, fields),
        *await _unread(world, oracle, world.reader, "the reader that was there", world.highest),
        *await _unread(world, oracle, world.new_reader(), "a new reader", Counter()),
    ]


async def everything_stored(world: "World") -> dict[bytes, bytes]:
    """The hash with the content of its minutes."""
    names = list(await world.store.load(world.partition))
    contents = await world.store.read(world.partition, names)
    return {name: content for name, content in zip(names, contents, strict=True) if content is not None}


def counted(world: "World", counts: Mapping[str, int], until: int) -> Oracle:
    """All records before `until` but those that the counts say were lost, which must end where the log begins."""
    oracle = Oracle(world.family, max_values=world.policy.max_values, max_scopes=world.policy.max_scopes)
    known = [record for record in world.records if record.offset < until]
    after = [record for record in known if record.offset >= world.start]
    if lost := counts.get("offsets_lost", 0):
        oracle.apply(record for record in known if record.offset < world.start - lost)
        oracle.next = world.start - lost
        oracle.lose(world.start)
        oracle.apply(after)
    else:  # nothing was lost; or nobody ever knew of what was there before
        oracle.apply(known if counts.get("records", 0) == len(known) else after)
    return oracle


async def _unlike(world: "World", oracle: Oracle, fields: Mapping[bytes, bytes]) -> list[str]:
    """Where the hash differs from the oracle, and which dead letters were never written."""
    wanted = oracle.state
    refused = {
        record.offset
        for record in world.records
        if record.offset >= world.start and not read(world.family, record.value, record.timestamp)[0]
    }
    lines = observed.differences(wanted, observed.state(world.family, fields))
    return lines + [f"no dead letter for offset {offset}" for offset in sorted(refused - world.letters)]


async def _unread(world: "World", oracle: Oracle, reader: Reader, who: str, highest: Counter[Any]) -> list[str]:
    """What a reader shows otherwise than the oracle counts."""
    for seconds in (0, 6):  # the second time, those who fell silent are known to be dead
        await world.workers[0].pipeline.tick()  # and says how it is
        snapshot = await reader.refresh(world.now_ms + 1000 * seconds)
    assert snapshot is not None
    if not snapshot.complete:
        return [f"{who}: {problem}" for problem in snapshot.problems]
    state = snapshot.families[world.family]
    totals = observed.table(state.names, state.totals, observed.columns(world.family)[0])
    held = Counter({key: n for key, n in totals.items() if n <= highest[key]})  # counters never fall: it may have seen more
    wanted = {"totals": oracle.lifetime() | held, "hour": oracle.span(*_hour(world))}
    found = {"totals": totals, "hour": _shown(snapshot, world)}
    return [f"{who}: {line}" for line in observed.differences(wanted, found)]


def _hour(world: "World") -> tuple[int, int]:
    return HOUR, world.now_ms + MINUTE_MS


def _shown(snapshot: Snapshot, world: "World") -> dict[str, Any]:
    """The cells that a snapshot holds of the last hour, as the oracle names them."""
    rollup = snapshot._rollup(world.family, _hour(world))
    series = [(one.app, one.environment, one.dimension, one.value) for one in rollup.axis.series[: rollup.axis.named]]
    arrays = zip((rollup.cells, rollup.buckets, rollup.registers), observed.columns(world.family), strict=True)
    tables = [observed.table(series, array[: rollup.axis.named], columns) for array, columns in arrays]
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
