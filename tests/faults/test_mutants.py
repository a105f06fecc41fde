"""The simulator is only worth what it catches: each of these faults, put into the protocol, must show as a difference.

A mutant is made here, by replacing a part of the product for one test; the product knows nothing of it.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from hashlib import sha1
from typing import Any, NamedTuple

import pytest

from streams.kafka.batch import DeadLetter
from streams.patience import PatientStore
from streams.reading.replica import HEAD
from streams.runner import Runner
from streams.state.errors import StoreUnavailable
from streams.state.keys import PartitionId
from streams.state.redis_store import RedisStore
from streams.windows.partition import Partition
from streams.windows.storage import Ledger
from tests.faults.simulate import run
from tests.faults.simulator import USUAL, Odds, World
from tests.streams.records import START

pytestmark = pytest.mark.usefixtures("hurried")


class Trial(NamedTuple):
    """Seeds in which a mutant must be noticed, and how often what happens in them."""

    odds: Odds
    seeds: int


AS_USUAL = Trial(USUAL, 300)  # without a mutant these are those of test_simulator.py
MANY_DEATHS = Trial(USUAL.but({"killed": 0.05}), 40)
NOTHING_LOST = {"lost": 0.0, "reply lost": 0.0, "killed": 0.0}
LATE_AND_BACK = Trial(USUAL.but({**NOTHING_LOST, "late": 0.4, "fall back": 0.1}, losing=0.0, anew=0.0), 60)
LOSING = Trial(USUAL.but(losing=1.0), 20)
FALLS_ALONE = {**NOTHING_LOST, "fall back": 0.06, "late": 0.0, "answered later": 0.0}
MANY_LOOKS = Trial(USUAL.but(FALLS_ALONE, looks=1.5, losing=0.0, anew=0.0), 70)
MORE_LOOKS = Trial(USUAL.but({"fall back": 0.05, "late": 0.15}, looks=0.6), 20)

MakeStore = Callable[[Any, str], RedisStore]
Fields = Mapping[bytes, bytes]


async def caught(make_store: MakeStore = RedisStore, trial: Trial = AS_USUAL, watch: list[World] | None = None) -> None:
    """Passes at the first seed that the judge finds different, fails when there is none. An error catches nothing: whoever
    renames a part that a mutant replaces would never hear of it."""
    errors = []
    for seed in range(trial.seeds):
        world = World(seed, make_store=make_store, odds=trial.odds)
        if watch is not None:
            watch[:] = [world]
        try:
            found = await world.run()
        except Exception as error:  # noqa: BLE001 - as of a state that cannot be read; another seed may tell more
            errors.append(error)
        else:
            if found:
                return
    raise ExceptionGroup("errors alone", errors) if errors else AssertionError(f"not noticed in {trial.seeds} seeds")


# -- without a mutant


@pytest.mark.parametrize("trial", [MANY_DEATHS, LATE_AND_BACK, LOSING, MANY_LOOKS, MORE_LOOKS])
async def test_the_intact_protocol_differs_in_nothing(trial: Trial) -> None:
    """What is noticed of a mutant is the mutant: the protocol itself withstands the same faults in the same seeds."""
    assert await run(range(trial.seeds), trial.odds) == {}


# -- how a mutant is made


def with_script(name: str, old: str, new: str) -> MakeStore:
    """Stores whose script says something else."""

    def make(client: Any, prefix: str) -> RedisStore:
        store = RedisStore(client, prefix)
        script = getattr(store, name)
        assert old in script._text, "the script has changed: change its mutant"
        script._text = script._text.replace(old, new)
        script._digest = sha1(script._text.encode(), usedforsecurity=False).hexdigest()
        return store

    return make


# -- what a checkpoint is


async def test_a_checkpoint_that_compares_nothing() -> None:
    """Without the comparison of `_next`, a late or foreign checkpoint mixes two states."""
    await caught(with_script("_checkpoint", "if stored == ARGV[1] then", "if true then"))


async def test_a_checkpoint_of_two_writes() -> None:
    """Between two writes the append-only file can be cut, and the start finds content without its offset."""

    class Torn(RedisStore):
        async def checkpoint(self, partition: PartitionId, expected: int | None, fields: Fields) -> int | None:
            key, half = self._keys.partition(partition), dict(itertools.islice(fields.items(), len(fields) - 6))
            stored = await self._client.hget(key, "_next")
            if half and stored == (None if expected is None else b"%d" % expected):
                await self._client.hset(key, mapping=half)
            return await super().checkpoint(partition, expected, fields)

    await caught(Torn)


async def test_minutes_in_a_write_of_their_own() -> None:
    """A store that falls back between the two, or a worker that dies there, has folded panes into a minute that nobody has."""

    class Apart(RedisStore):
        async def checkpoint(self, partition: PartitionId, expected: int | None, fields: Fields) -> int | None:
            minutes = {name: content for name, content in fields.items() if name.startswith(b"m:")}
            stored = await super().checkpoint(partition, expected, {n: c for n, c in fields.items() if n not in minutes})
            if minutes and stored == int(fields[b"_next"]):
                await self._client.hset(self._keys.partition(partition), mapping=minutes)
            return stored

    await caught(Apart)


async def test_a_deletion_without_guard() -> None:
    """A late deletion from before a rollback takes panes that are open again."""
    guard = "if folded_until and folded_until >= tonumber(ARGV[1]) then"
    await caught(with_script("_forget", guard, "if folded_until then"), LATE_AND_BACK)


# -- what a worker restores


async def test_identities_that_are_not_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that forgets the ids counts duplicates of what came before its start."""
    monkeypatch.setattr(Ledger, "_restore_ids", lambda *_: None)
    await caught(trial=MANY_DEATHS)


async def test_a_table_that_is_not_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that forgets sessions and contacts counts their first events again."""
    restore = Ledger.restore

    def forgetful(self: Ledger, fields: Fields) -> None:
        restore(self, {name: content for name, content in fields.items() if not name.startswith(b"t:")})

    monkeypatch.setattr(Ledger, "restore", forgetful)
    await caught()


async def test_a_watermark_that_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that starts without the watermark takes what is late."""
    restore = Ledger.restore

    def forgetful(self: Ledger, fields: Fields) -> None:
        restore(self, fields)
        self.partition.watermark = 0

    monkeypatch.setattr(Ledger, "restore", forgetful)
    await caught(trial=MANY_DEATHS)


# -- what a worker does


async def test_a_watermark_from_a_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where time passes outside the records, a replay decides otherwise what is late."""
    worlds: list[World] = []
    apply = Partition.apply

    def by_the_clock(self: Partition, *arguments: Any) -> Any:
        self.watermark = max(self.watermark, START + round(worlds[0].seconds * 40_000))
        return apply(self, *arguments)

    monkeypatch.setattr(Partition, "apply", by_the_clock)
    await caught(watch=worlds)


async def test_memory_that_is_kept_after_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that goes on from its own state, where the store has another, writes what is not a state of any offset."""

    async def go_on(self: Runner) -> None:
        stored = await self._store.next_offsets()
        if self._ledger and stored is not None:
            self._ledger.stored = stored.get(self.partition)

    monkeypatch.setattr(Runner, "_start_again", go_on)
    await caught()


async def test_totals_that_are_merged_twice_after_an_unknown_outcome(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that keeps its memory and repeats the records, where no reply came, counts them twice."""
    checkpoint, running = Runner._checkpoint, ContextVar[Runner]("running")

    async def of_this_runner(self: Runner, ledger: Ledger) -> None:
        running.set(self)
        await checkpoint(self, ledger)

    async def repeat(self: PatientStore, expected: int | None, fields: Mapping[bytes, bytes]) -> int | None:
        async def once() -> int | None:
            try:
                return await self._store.checkpoint(self.partition, expected, fields)
            except StoreUnavailable:
                runner, stored = running.get(), await self._store.next_offsets([self.partition])
                ledger = runner._ledger
                assert ledger
                ledger.stored = stored.get(self.partition)
                ledger.partition.next = ledger.stored or 0
                await runner._log.seek(self.partition, ledger.partition.next)
                return int(fields[b"_next"])

        return await self._until_answered("a checkpoint", once)

    monkeypatch.setattr(Runner, "_checkpoint", of_this_runner)
    monkeypatch.setattr(PatientStore, "checkpoint", repeat)
    await caught()


async def test_a_loss_that_is_no_branch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has read what the log lost, and who went on without, meet at one offset: were it one position too, they would mix."""
    monkeypatch.setattr("streams.windows.storage.branched", lambda _position, offset, _log="": offset)
    await caught(trial=LOSING)


async def test_a_loss_that_nobody_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that goes on at the start of the log and says nothing hides that records are missing."""
    monkeypatch.setattr(Ledger, "lose", Ledger.begin)
    await caught(trial=LOSING)


async def test_dead_letters_after_the_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that is killed between the two has passed a record that nobody will find again."""
    checkpoint = Runner._checkpoint

    async def later(self: Runner, ledger: Ledger) -> None:
        log, held = self._log, list[DeadLetter]()

        class Holding:
            async def dead_letters(self, letters: Sequence[DeadLetter]) -> None:
                held.extend(letters)

            def __getattr__(self, name: str) -> Any:
                return getattr(log, name)

        self._log = Holding()  # type: ignore[assignment]
        try:
            await checkpoint(self, ledger)
        finally:
            self._log = log
        await log.dead_letters(held)

    monkeypatch.setattr(Runner, "_checkpoint", later)
    await caught(trial=MANY_DEATHS)


# -- what a reader sees


async def test_a_partition_that_is_never_named_to_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored under a name that no reader hears is seen by nobody once its worker is gone."""

    async def silent(*_: object, **__: object) -> None:
        pass

    monkeypatch.setattr(RedisStore, "_register", silent)
    await caught()


async def test_a_reader_that_keeps_what_a_rollback_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """Totals from before the rollback, beside panes that are open again, count twice, and counters never come down."""
    monkeypatch.setattr("streams.reading.replica._present", lambda _kind, blocks, _versions: blocks)
    await caught(trial=MANY_LOOKS)


async def test_a_reader_that_reads_at_two_moments() -> None:
    """Half a fold: totals that a minute has gone into, beside the panes it was made of."""

    class TwoMoments(RedisStore):
        async def read(self, partition: PartitionId, fields: Sequence[bytes]) -> list[bytes | None]:
            head = await super().read(partition, fields[: len(HEAD)])
            return [*head, *await super().read(partition, fields[len(HEAD) :])]

    await caught(TwoMoments, MORE_LOOKS)
