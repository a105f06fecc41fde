"""What the oracle remembers of sessions and contacts, in the order of their events. Imports nothing of the product."""

from collections.abc import Callable

import xxhash

from tests.faults import figures, tables
from tests.faults.figures import Event, Series
from tests.faults.tables import Table

HOUR_MS = 3_600_000
Who = tuple[str, str, str]  # app, environment, session
SCOPE = ("app", "environment", "channel", "queue", "topic", "team", "segment", "country")


def hash64(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode()) or 1


class Firsts:
    """Whether a session was met before; remembered by the hour for 24 h."""

    def __init__(self) -> None:
        self._hour: dict[tuple[str, Who], int] = {}

    def is_first(self, kind: str, who: Who | None, at: int) -> bool:
        if who is None:
            return True
        if (kind, who) in self._hour:
            return False
        self._hour[kind, who] = at // HOUR_MS
        return True

    def forget(self, hour: int) -> None:
        self._hour = {key: known for key, known in self._hour.items() if known >= hour}

    def rows(self, pseudonym: Callable[[str], int]) -> Table:
        """(kind, hour) → number of each session in the order they came; one person's sessions in two apps are two."""
        found: Table = {}
        for (kind, (app, environment, who)), hour in self._hour.items():
            found.setdefault((kind, hour), []).append(pseudonym(who) ^ hash64(f"{app}\n{environment}"))
        return found


class Contacts:
    """The life of each contact. Its first outcome counts; a wait is outcome − queueing, in whatever order they come."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, ...], Event] = {}

    def step(self, event: Event, at: int, late: bool) -> tuple[Event, tuple[Event, int] | None]:
        """(what the event says about figures, the wait that it completes and when that counts)."""
        row = self._rows.setdefault((*figures.scope(event), event["contact"]), {"touched": at})
        row["touched"] = max(row["touched"], at)
        scope = {name: event[name] for name in SCOPE if event.get(name)}
        found, pair, state = dict(scope), None, event["state"]
        if state == "queued" and "queued" not in row:
            row["queued"], found["step"] = at, "queued"
            row["scope"] = scope
            if unpaired := row.pop("unpaired", None):
                wait = max(row["outcome_at"] - at, 0) / 1000
                pair = {**unpaired, f"{row['outcome']}_wait": wait}, row["outcome_at"]
        elif state in ("answered", "abandoned") and row.get("outcome", "ended") == "ended":
            row["outcome"], row["outcome_at"] = ("menu" if event.get("in_menu") else state), at
            if row["outcome"] != "menu":
                found["step"] = state
                self._wait(row, event, at, late, found, scope)
        elif state == "ended":
            row |= {} if "outcome" in row else {"outcome": "ended", "outcome_at": at}
            if event.get("handled_by") == "bot" and "ended" not in row:
                found["bot"] = "handed_over" if event.get("handed_over") else "contained"
            row |= {} if late else {"ended": True}
        elif state == "resolved" and not row.get("resolved"):
            row["resolved"], found["step"] = not late, "resolved"
            found["resolution"] = event.get("resolution_seconds")
            if found["resolution"] is None and "queued" in row:
                found["resolution"] = max(at - row["queued"], 0) / 1000
        elif state == "reopened":
            row["resolved"] = False
        self._once({} if late else row, event, {} if late else found)
        return found, pair

    def _wait(self, row: Event, event: Event, at: int, late: bool, found: Event, scope: Event) -> None:
        wait = event.get("wait_seconds")
        if wait is None and "queued" in row:
            wait = max(at - row["queued"], 0) / 1000
        if wait is not None:
            found[f"{event['state']}_wait"] = wait
        elif not late:
            row["unpaired"] = scope

    def _once(self, row: Event, event: Event, found: Event) -> None:
        if "replied" not in row and event.get("first_reply_seconds") is not None:
            row["replied"], found["first_reply"] = True, event["first_reply_seconds"]
        if "handled" not in row and event.get("talk_seconds") is not None:
            parts = ("talk_seconds", "hold_seconds", "wrap_up_seconds")
            row["handled"], found["handle"] = True, sum(event.get(part) or 0 for part in parts)

    def forget(self, before: int) -> None:
        self._rows = {key: row for key, row in self._rows.items() if row["touched"] >= before}

    def rows(self) -> Table:
        """(block, number of the contact) → what is remembered of it."""
        numbers = {hash64("\n".join(key)): row for key, row in self._rows.items()}
        return {(number % tables.BLOCKS, number): self._row(row) for number, row in numbers.items()}

    def _row(self, row: Event) -> Event:
        """`scope`: whom a wait will belong to, while it is not known yet."""
        never = {"queued": None, "outcome": "", "outcome_at": 0}
        found = {name: row.get(name, never.get(name, False)) for name in tables.ROW}
        waits = row["scope"] if "queued" in row and "outcome" not in row else None
        return found | {"unpaired": "unpaired" in row, "scope": row.get("unpaired", waits)}

    def live(self, known: set[Series]) -> dict[Series, tuple[int, int]]:
        """By series that is known: how many wait, and since when the first of them does."""
        found: dict[Series, tuple[int, int]] = {}
        for row in self._rows.values():
            if "queued" not in row or "outcome" in row:
                continue
            scope, values = figures.scope(row["scope"]), row["scope"]
            rollups = [(d, values.get(d) or "unknown") for d in figures.DIMENSIONS["contact"]]
            for series in [(*scope, "all", "all"), *((*scope, *rollup) for rollup in rollups)]:
                if series in known:
                    n, since = found.get(series, (0, row["queued"]))
                    found[series] = n + 1, min(since, row["queued"])
        return found
