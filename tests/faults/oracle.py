"""What a partition must hold after its records, counted event by event in plain Python. Imports nothing of the product."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.faults import figures
from tests.faults.figures import Column, Event, Series
from tests.faults.remembered import Contacts, Firsts, hash64

PANE_MS, MINUTE_MS, HOUR_MS = 10_000, 60_000, 3_600_000
MINUTES_KEPT_MS = 75 * MINUTE_MS
Cells = dict[tuple[Series, Column], int]


@dataclass
class Oracle:
    """One partition. `state` is what `observed.state` finds in a hash and its minutes."""

    family: str
    pseudonym: Callable[[str], int] = hash64
    lateness_ms: int = 120_000
    max_values: int = 1000
    max_scopes: int = 100
    next: int = 0
    watermark: int | None = None
    folded_until: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    panes: dict[int, Cells] = field(default_factory=lambda: defaultdict(Counter))
    minutes: dict[int, Cells] = field(default_factory=lambda: defaultdict(Counter))
    totals: Cells = field(default_factory=Counter)
    ids: dict[str, int] = field(default_factory=dict)  # → pane, in the order they came
    refused: list[tuple[int, str]] = field(default_factory=list)  # offset and reason
    lost: list[range] = field(default_factory=list)  # offsets that nobody may have read

    def __post_init__(self) -> None:
        self.names = Names(figures.DIMENSIONS[self.family], self.max_values, self.max_scopes)
        self.contacts, self.firsts = Contacts(), Firsts()
        self._held: dict[int, set[Series]] = defaultdict(set)  # by pane

    def apply(self, records: Iterable[Any]) -> None:
        """Records with `.offset`, `.timestamp` and `.value`, in the order of their offsets."""
        for record in records:
            self._record(record.offset, record.timestamp, record.value)

    def lose(self, until: int) -> None:
        """The log no longer has what lies before this offset."""
        self.counts["offsets_lost"] += until - self.next
        self.lost.append(range(self.next, until))
        self.next = until

    def _record(self, offset: int, arrival: int, value: bytes | None) -> None:
        self.next = offset + 1
        self.counts["records"] += 1
        event, reason = figures.read(self.family, value, arrival)
        if event is None:
            self.counts[f"dead_letters:{reason}"] += 1
            self.refused.append((offset, reason))
            return
        said = figures.stamp(event, arrival)
        self.counts["clock_corrections"] += said > arrival
        self.counts["unknown_fields"] += figures.unknown_fields(self.family, event)
        figures.enrich(self.family, event)
        at = arrival if self.family in figures.BY_ARRIVAL else min(said, arrival)
        closed = self._closed()
        self._fold(closed // MINUTE_MS * MINUTE_MS)
        self._event(event, at, closed)
        self.watermark = at if self.watermark is None else max(self.watermark, at)

    def _closed(self) -> int:
        """Panes that end at or before this are closed, by the watermark of the records before."""
        return 0 if self.watermark is None else (self.watermark - self.lateness_ms) // PANE_MS * PANE_MS

    def _event(self, event: Event, at: int, closed: int) -> None:
        pane = at // PANE_MS * PANE_MS
        late = pane + PANE_MS <= closed
        identity = event.get("id")
        if late:
            self.counts["late"] += 1
        elif identity and identity in self.ids:
            self.counts["duplicates"] += 1
            return
        elif identity:
            self.ids[identity] = pane
        if event.get("synthetic"):
            self.counts["synthetic"] += not late
            return
        for counted, when in self._measure(event, at, late, closed):
            self._add(counted, when // PANE_MS * PANE_MS, closed)

    def _measure(self, event: Event, at: int, late: bool, closed: int) -> Iterable[tuple["Counted", int]]:
        """What there is to count of an event, and when."""
        if self.family == "contact":
            if at < closed // HOUR_MS * HOUR_MS - 24 * HOUR_MS:  # too late to be remembered
                return
            found, pair = self.contacts.step(event, at, late)
            if not late:
                yield Counted(found, figures.contact(found)), at
            if pair and pair[1] // PANE_MS * PANE_MS + PANE_MS > closed:
                yield Counted(pair[0], figures.contact(pair[0])), pair[1]
        elif not late:
            yield Counted(event, self._adds(event, at)), at

    def _adds(self, event: Event, at: int) -> figures.Adds:
        who = next((event[name] for name in ("session", "install", "user") if event.get(name)), None)
        who = who and (event["app"], event.get("environment") or "production", who)
        if self.family == "page-load":
            return figures.page_load(event)
        if self.family == "link-error":
            return figures.link_error(event)
        if self.family == "app-session":
            return figures.app_session(event, self.firsts.is_first("first", who, at))
        kind = event.get("kind")
        crashed = kind in ("crash", None) and self.firsts.is_first("crashed", who, at)
        return figures.app_crash(event, crashed, kind == "anr" and self.firsts.is_first("anr", who, at))

    def _add(self, counted: "Counted", pane: int, closed: int) -> None:
        person = figures.people(self.family, counted.event)
        for series in self.names.of(counted.event, max(closed // HOUR_MS, 0)):
            self._held[pane].add(series)
            for column, amount in counted.adds:
                if amount:
                    self.panes[pane][series, column] += amount
            if person:
                which, rank = figures.register(self.pseudonym(person[1]))
                key = series, (person[0], "register", which)
                self.panes[pane][key] = max(self.panes[pane][key], rank)

    def _fold(self, until: int) -> None:
        if until <= self.folded_until:
            return
        for pane in [pane for pane in self.panes if pane < until]:
            minute = self.minutes[pane // MINUTE_MS * MINUTE_MS]
            for (series, column), amount in self.panes.pop(pane).items():
                key = series, column
                if column[1] == "register":
                    minute[key] = max(minute[key], amount)
                    continue
                minute[key] += amount
                if column[1] != "bucket":
                    self.totals[key] += amount
        self.ids = {identity: pane for identity, pane in self.ids.items() if pane >= until}
        if until // HOUR_MS > self.folded_until // HOUR_MS:
            self._forget(until)
        self.folded_until = until

    def _forget(self, until: int) -> None:
        """Once an hour: what was not met for 24 h."""
        self.contacts.forget(until - 24 * HOUR_MS)
        self.firsts.forget((until - 24 * HOUR_MS) // HOUR_MS)
        self._held = defaultdict(set, {pane: held for pane, held in self._held.items() if pane >= until})
        gone = self.names.forget(until // HOUR_MS, set().union(*self._held.values()))
        self.totals = Counter({key: amount for key, amount in self.totals.items() if key[0] not in gone})

    @property
    def state(self) -> dict[str, Any]:
        ids: dict[int, list[int]] = {}
        for identity, pane in self.ids.items():
            ids.setdefault(pane, []).append(hash64(identity))
        return {
            "next": self.next,
            "watermark": self.watermark,
            "folded_until": self.folded_until,
            "counts": {name: n for name, n in self.counts.items() if n},
            "dropped": self.names.dropped,
            "names": self.names.hours,
            "panes": {pane: dict(cells) for pane, cells in self.panes.items() if cells},
            "minutes": {m: dict(cells) for m, cells in self.minutes.items() if m >= self.folded_until - MINUTES_KEPT_MS},
            "totals": dict(self.totals),
            "ids": ids,
            "table": self.contacts.rows() if self.family == "contact" else self.firsts.rows(self.pseudonym),
            "live": self.contacts.live(self.names.known) if self.family == "contact" else {},
        }

    def lifetime(self) -> Counter[tuple[Series, Column]]:
        """Everything ever counted that is never forgotten: counters, histograms and sums."""
        found = Counter(self.totals)
        for cells in self.panes.values():
            for (series, column), amount in cells.items():
                if column[1] not in ("bucket", "register"):
                    found[series, column] += amount
        return found

    def span(self, from_ms: int, to_ms: int) -> Cells:
        """What was counted in [from, to), both on whole minutes, without registers."""
        found: Cells = Counter()
        for start, cells in [*self.minutes.items(), *self.panes.items()]:
            if from_ms <= start < to_ms:
                for key, amount in cells.items():
                    found[key] = max(found[key], amount) if key[1][1] == "register" else found[key] + amount
        return found


@dataclass(frozen=True)
class Counted:
    """An event, or what was found out about a contact, and what it adds."""

    event: Event
    adds: figures.Adds


class Names:
    """The rollups of a partition: at most so many values of a dimension an app, and so many apps."""

    def __init__(self, dimensions: tuple[str, ...], max_values: int, max_scopes: int) -> None:
        self._dimensions, self._max_values, self._max_scopes = dimensions, max_values, max_scopes
        self._hour: dict[Series, int] = {}
        self._scopes: set[tuple[str, str]] = set()
        self.dropped = 0

    @property
    def known(self) -> set[Series]:
        return set(self._hour)

    @property
    def hours(self) -> dict[Series, int]:
        """When each was last met."""
        return dict(self._hour)

    def of(self, event: Event, hour: int) -> list[Series]:
        """The series that an event counts in, made where there is room."""
        scope, full = figures.scope(event), False
        if scope not in self._scopes and len(self._scopes) >= self._max_scopes:
            self._scopes.add(("__other__", "__other__"))
            self.dropped += 1
            return self._met([("__other__", "__other__", "all", "all")], hour)
        self._scopes.add(scope)
        found = [(*scope, "all", "all")]
        for dimension in self._dimensions:
            series = (*scope, dimension, event.get(dimension) or "unknown")
            values = sum(known[:3] == series[:3] for known in self._hour) if series not in self._hour else 0
            if series[3] == "__other__" or values >= self._max_values:
                full = True
            else:
                found.append(series)
        self.dropped += full
        return self._met(found, hour)

    def _met(self, found: list[Series], hour: int) -> list[Series]:
        for series in found:
            self._hour[series] = max(self._hour.get(series, 0), hour)
        return found

    def forget(self, hour: int, held: set[Series]) -> set[Series]:
        """Where there is no room left, values not met for 24 h; what an open pane holds has been met."""
        for series, last in self._hour.items():
            if last == 0 or series in held:
                self._hour[series] = hour
        room = Counter(series[:3] for series in self._hour)
        full = {group for group, values in room.items() if values >= self._max_values and group[2] != "all"}
        gone = {series for series, last in self._hour.items() if last < hour - 24 and series[:3] in full}
        for series in gone:
            del self._hour[series]
        return gone
