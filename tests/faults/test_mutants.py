"""The simulator is only worth what it catches: each of these faults, put into the protocol, must show as a difference.

A mutant is made here, by replacing a part of the product for one test; the product knows nothing of it.
"""

import itertools
import uuid
from collections.abc import Callable, Mapping
from hashlib import sha1
from typing import Any

import pytest
from redis.asyncio import Redis

from streams.kafka.batch import DeadLetter
from streams.runner import Runner
from streams.state.keys import PartitionId
from streams.state.redis_store import RedisStore
from streams.windows.partition import Partition
from streams.windows.storage import Ledger
from tests.faults.simulator import SHARES, World
from tests.streams.fakes import FakeLog
from tests.streams.records import START

MOST_SEEDS = 150

MakeStore = Callable[[Redis, str], RedisStore]


async def caught(client: Redis, make_store: MakeStore = RedisStore, watch: list[World] | None = None, **more: float) -> None:
    """Passes at the first seed that ends with a difference, or in an error; fails when none does. `more`: faults to prefer."""
    for seed in range(MOST_SEEDS):
        world = World(seed, client, f"mutant-{uuid.uuid4().hex[:12]}", make_store, {**SHARES, **more})
        if watch is not None:
            watch[:] = [world]
        try:
            found = await world.run()
        except Exception as error:  # noqa: BLE001 - a state that cannot be read has been noticed too
            found = [repr(error)]
        if found:
            return
    pytest.fail(f"not noticed in {MOST_SEEDS} seeds")


def with_script(name: str, old: str, new: str) -> MakeStore:
    """Stores whose script says something else."""

    def make(client: Redis, prefix: str) -> RedisStore:
        store = RedisStore(client, prefix)
        script = getattr(store, name)
        assert old in script._text, "the script has changed: change its mutant"
        script._text = script._text.replace(old, new)
        script._digest = sha1(script._text.encode(), usedforsecurity=False).hexdigest()
        return store

    return make


async def test_a_checkpoint_that_compares_nothing(client: Redis) -> None:
    """Without the comparison of `_next`, a late or foreign checkpoint mixes two states."""
    await caught(client, with_script("_checkpoint", "if stored == ARGV[1] then", "if true then"))


async def test_a_deletion_without_guard(client: Redis) -> None:
    """A late deletion from before a rollback takes panes that are open again."""
    guard = "if folded_until and folded_until >= tonumber(ARGV[1]) then"
    await caught(client, with_script("_forget", guard, "if folded_until then"), late=0.4)


async def test_a_checkpoint_of_two_writes(client: Redis) -> None:
    """Between two writes the append-only file can be cut, and the start finds content without its offset."""
    worlds: list[World] = []

    class Torn(RedisStore):
        async def checkpoint(
            self, partition: PartitionId, expected: int | None, fields: Mapping[bytes, bytes], minutes: Mapping[int, bytes]
        ) -> int | None:
            key, half = self._keys.partition(partition), dict(itertools.islice(fields.items(), len(fields) - 5))
            stored = await self._client.hget(key, "_next")
            if half and stored == (None if expected is None else b"%d" % expected):
                await self._client.hset(key, mapping=half)
                if not worlds[0].losing and worlds[0].rng.random() < 0.2:
                    await worlds[0].dump()
            return await super().checkpoint(partition, expected, fields, minutes)

    await caught(client, Torn, worlds)


async def test_identities_that_are_not_restored(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that forgets the ids counts duplicates of what came before its start."""
    monkeypatch.setattr(Ledger, "_restore_ids", lambda *_: None)
    await caught(client)


async def test_a_table_that_is_not_restored(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that forgets sessions and contacts counts their first events again."""
    restore = Ledger.restore

    def forgetful(self: Ledger, fields: Mapping[bytes, bytes]) -> None:
        restore(self, {name: content for name, content in fields.items() if not name.startswith(b"t:")})

    monkeypatch.setattr(Ledger, "restore", forgetful)
    await caught(client)


async def test_a_watermark_that_is_not_stored(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that starts without the watermark takes what is late."""
    restore = Ledger.restore

    def forgetful(self: Ledger, fields: Mapping[bytes, bytes]) -> None:
        restore(self, fields)
        self.partition.watermark = 0

    monkeypatch.setattr(Ledger, "restore", forgetful)
    await caught(client, killed=0.3)


async def test_a_watermark_from_a_clock(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where time passes outside the records, a replay decides otherwise what is late."""
    worlds: list[World] = []
    apply = Partition.apply

    def by_the_clock(self: Partition, *arguments: Any) -> Any:
        world = worlds[0]
        self.watermark = max(self.watermark, START + round(world.seconds * 20_000))
        return apply(self, *arguments)

    monkeypatch.setattr(Partition, "apply", by_the_clock)
    await caught(client, watch=worlds)


async def test_memory_that_is_kept_after_a_refusal(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that goes on from its own state, where the store has another, writes what is not a state of any offset."""

    async def go_on(self: Runner) -> None:
        stored = await self._until_available("reading", lambda: self._store.next_offsets([self.partition]))
        if self._ledger and stored is not None:
            self._ledger.stored = stored.get(self.partition)

    monkeypatch.setattr(Runner, "_start_again", go_on)
    await caught(client)


async def test_dead_letters_after_the_checkpoint(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed between the two has passed a record that nobody will find again."""
    checkpoint, send = Runner._checkpoint, FakeLog.dead_letters

    async def later(self: Runner, ledger: Ledger) -> None:
        held: list[DeadLetter] = []

        async def hold(_: FakeLog, letters: list[DeadLetter]) -> None:
            held.extend(letters)

        monkeypatch.setattr(FakeLog, "dead_letters", hold)
        await checkpoint(self, ledger)
        await send(self._log, held)  # type: ignore[arg-type]

    monkeypatch.setattr(Runner, "_checkpoint", later)
    await caught(client, killed=0.2)


async def test_a_partition_that_is_named_to_readers_once(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Redis that lost its beginning has lost the name too: a partition stored anew without it is seen by nobody."""
    register = RedisStore._register
    monkeypatch.setattr(RedisStore, "_register", lambda self, partition, **_: register(self, partition, anew=False))
    await caught(client)


async def test_a_reader_that_keeps_what_a_rollback_took(client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Totals from before the rollback, beside panes that are open again, count twice, and counters never come down."""
    monkeypatch.setattr("streams.reading.replica._present", lambda _kind, blocks, _versions: blocks)
    await caught(client, **{"fall back": 0.1})
