"""A partition's state as fields of one hash. All values are absolute, so a field may be written any number of times.

| field | content |
|---|---|
| `_next` `_log` `_layout` `_folded_until` `_meta` `_versions` | see docs/architecture.md |
| `p:<pane>:<block>` | a block of an open pane |
| `m:<minute>` | a minute of folded panes, kept for 75 minutes |
| `l:<block>` | lifetime totals of folded panes |
| `s:<block>` | names of series |
| `i:<pane>:<chunk>` | identities, in the order they came |
| `t:<name>` | the keyed table's |
| `live` | what waits now, by series |
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

import numpy as np

from streams.metrics.catalogue import FamilyMetrics
from streams.metrics.stored import Layout
from streams.windows import time
from streams.windows.packing import Versions, pack_live, pack_versions, unpack_versions
from streams.windows.pane import BLOCKS, Pane
from streams.windows.partition import Partition
from streams.windows.position import NOWHERE, branched, offset_of
from streams.windows.tables import HORIZON_MS, KeyedTable

Array = np.ndarray
FORMAT = 4
QUIET_MS = 20_000  # after the end of a pane: few events come so much later than others
TOTALS, SERIES, LIVE = -1, -2, -3  # in place of a pane in `_versions`
MINUTE = BLOCKS  # in place of a block: all of a folded minute
HEAD = (b"_next", b"_layout", b"_folded_until", b"_meta", b"_versions")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One step of the stored state: from `expected` (None: nothing stored yet) to `next`."""

    expected: int | None
    next: int
    fields: dict[bytes, bytes]
    folded_until: int
    obsolete: list[bytes]  # superfluous once this checkpoint stands


class LayoutError(Exception):
    """The stored state was written by another catalogue, policy or pseudonym key."""


class Ledger:
    """Between a partition and its hash: what the hash holds, and so what a checkpoint must write."""

    def __init__(self, partition: Partition, key_fingerprint: str = "") -> None:
        self.partition = partition
        self.stored: int | None = None  # `_next` of the hash
        self.log = ""  # the topic's id; "" while it is not known
        self._branch = 0  # the position of offset 0
        self._versions: Versions = {}
        self._layout = layout_of(partition, key_fingerprint)

    @property
    def position(self) -> int:
        """Where the memory stands."""
        return self._branch + self.partition.next

    @property
    def due(self) -> bool:
        """Whether anything happened since the last checkpoint."""
        return self.partition.next > 0 if self.stored is None else self.position != self.stored

    def begin(self, start: int) -> None:
        """Nothing is stored: counting begins where the log does, in a branch of that log. What it has lost by then nobody
        waited for."""
        if start or self.log:
            self._stand_at(branched(NOWHERE, start, self.log))

    def lose(self, until: int) -> None:
        """Goes on at a later offset, and counts what the log lost before it was read."""
        self.partition.counts["offsets_lost"] += until - self.partition.next
        self._stand_at(branched(self.position, until))

    def _stand_at(self, position: int) -> None:
        self.partition.next = offset_of(position)
        self._branch = position - self.partition.next

    def checkpoint(self, changed: Mapping[bytes, bytes] | None = None) -> Checkpoint:
        """What changed, as `changed` gave it. Taken as written: if it turns out not to be, the memory must be dropped and the
        hash read."""
        state = self.partition
        fields = dict(self.changed() if changed is None else changed)
        kept = {key: version for key, version in self._versions.items() if self._needed(*key)}
        state.obsolete += [b"m:%d" % start for start, block in self._versions.keys() - kept.keys() if block == MINUTE]
        self._versions = kept
        fields |= {
            b"_next": b"%d" % self.position,
            b"_log": self.log.encode(),
            b"_layout": self._layout.encode(),
            b"_folded_until": b"%d" % state.folded_until,
            b"_meta": _meta(state),
            b"_versions": pack_versions(self._versions),
        }
        taken = Checkpoint(self.stored, self.position, fields, state.folded_until, state.obsolete)
        state.minutes, state.obsolete, self.stored = {}, [], self.position
        return taken

    def _needed(self, start: int, block: int) -> bool:
        """Whether readers still want a field: of panes those that are open, of minutes the last 75."""
        folded_until = self.partition.folded_until
        return start < 0 or start >= (folded_until - time.MINUTES_KEPT_MS if block == MINUTE else folded_until)

    def changed(self) -> Iterator[tuple[bytes, bytes]]:
        """Fields that differ from the hash. All of them must be taken, and nothing be applied meanwhile."""
        state, renamed = self.partition, self.partition.series.changed
        for block, content in state.series.unstored():
            yield self._written(b"s:%d" % block, SERIES, block), content
        for start, pane in (*sorted(state.panes.items()), (TOTALS, state.totals)):
            if TOTALS < start <= state.watermark - time.PANE_MS - QUIET_MS:
                pane.rest()
            else:
                pane.wake()
            for block, content in pane.encoded(np.flatnonzero(pane.changed).tolist()):
                name = b"l:%d" % block if start == TOTALS else b"p:%d:%d" % (start, block)
                yield self._written(name, start, block), content
            pane.changed[:] = False
        for start, content in state.minutes.items():
            if self._needed(start, MINUTE):
                yield self._written(b"m:%d" % start, start, MINUTE), content
        for start, chunk, content in state.ids.unstored():
            yield b"i:%d:%d" % (start, chunk), content
        if state.table:
            yield from self._table(state.table, renamed=renamed)

    def _table(self, table: KeyedTable, *, renamed: bool) -> Iterable[tuple[bytes, bytes]]:
        """What waits is told by numbers of series, so it follows their names too."""
        touched = renamed
        for name, content in table.unstored():
            touched = True
            yield b"t:" + name.encode(), content
        if touched:
            yield self._written(b"live", LIVE, 0), pack_live(table.waiting(), self.partition.series)

    def _written(self, name: bytes, pane: int, block: int) -> bytes:
        self._versions[pane, block] = self.position
        return name

    def restore(self, fields: Mapping[bytes, bytes]) -> None:
        """Puts the content of a hash into a fresh partition; of minutes the names are enough. Raises LayoutError where it
        cannot be understood."""
        if not fields:
            return
        found = fields.get(b"_layout", b"").decode()
        if found != self._layout:
            raise LayoutError(f"its layout is {found or 'unknown'}, this program and its settings write {self._layout}")
        state, meta = self.partition, json.loads(fields[b"_meta"])
        self.stored, self.log = int(fields[b"_next"]), fields.get(b"_log", b"").decode()
        self._stand_at(self.stored)
        state.folded_until, state.watermark = int(fields[b"_folded_until"]), meta["watermark"]
        state.counts.update(meta["counts"])
        self._versions = unpack_versions(fields[b"_versions"])
        groups = _grouped(fields)
        state.series.restore({int(block): content for block, content in groups["s"].items()}, meta["series"])
        state.series.dropped = meta["dropped"]
        for block, content in groups["l"].items():
            state.totals.put(int(block), content)
        known = {start for start, block in self._versions if block == MINUTE}
        state.obsolete += [b"m:%d" % minute for minute in map(int, groups["m"]) if minute not in known]  # not deleted yet
        self._restore_panes(groups["p"])
        self._restore_ids(groups["i"])
        if state.table:
            state.table.restore(groups["t"])
            gone = state.table.expire(time.floor_ms(state.folded_until, time.HOUR_MS) - HORIZON_MS)
            state.obsolete += [b"t:" + name.encode() for name in gone]  # expired, and their deletion did not arrive

    def _restore_panes(self, fields: Mapping[str, bytes]) -> None:
        state = self.partition
        for name, content in fields.items():
            start, block = map(int, name.split(":"))
            if start < state.folded_until:  # folded, and its deletion did not arrive
                state.obsolete.append(b"p:%d:%d" % (start, block))
                continue
            state.panes.setdefault(start, Pane(state.layout)).put(block, content)

    def _restore_ids(self, fields: Mapping[str, bytes]) -> None:
        chunks: dict[int, dict[int, bytes]] = {}
        for name, content in fields.items():
            start, chunk = map(int, name.split(":"))
            if start < self.partition.folded_until:
                self.partition.obsolete.append(b"i:%d:%d" % (start, chunk))
            else:
                chunks.setdefault(start, {})[chunk] = content
        self.partition.ids.restore(chunks)


def layout_of(partition: Partition, key_fingerprint: str) -> str:
    """Names what the bytes mean: differs where another program would read or go on writing them differently."""
    policy = _digest((time.PANE_MS, asdict(partition.policy), key_fingerprint))
    return f"{columns_of(partition.family, partition.layout)}:{policy}"


def columns_of(family: FamilyMetrics, layout: Layout) -> str:
    """The part of `layout_of` that a reader must agree with: how bytes become figures."""
    return f"{FORMAT}:{family.name}:{_digest((family.dimensions, layout.signature()))}"


def _digest(what: object) -> str:
    return hashlib.blake2b(repr(what).encode(), digest_size=6).hexdigest()


def _meta(state: Partition) -> bytes:
    counts = {name: n for name, n in sorted(state.counts.items()) if n}
    return json.dumps(
        {"watermark": state.watermark, "counts": counts, "series": len(state.series), "dropped": state.series.dropped}
    ).encode()


def _grouped(fields: Mapping[bytes, bytes]) -> dict[str, dict[str, bytes]]:
    groups: dict[str, dict[str, bytes]] = {kind: {} for kind in "slpitm"}
    for name, content in fields.items():
        kind, _, rest = name.decode().partition(":")
        if kind in groups:
            groups[kind][rest] = content
    return groups
