"""What a hash says, in the words of the oracle; and how two such states differ."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streams.metrics.registry import catalogue
from streams.metrics.stored import Layout
from streams.windows.packing import unpack_live
from streams.windows.position import offset_of
from streams.windows.rows import Rows, decode
from streams.windows.series import Name, read_names
from tests.faults import tables
from tests.faults.oracle import MINUTES_KEPT_MS, Cells

LAYOUTS = {family.name: Layout(family.figures) for family in catalogue().families}
COLUMNS: dict[str, tuple[list[Any], list[Any], list[Any]]] = {}


def columns(family: str) -> tuple[list[Any], list[Any], list[Any]]:
    """The oracle's name of each column of cells, buckets and registers."""
    if family not in COLUMNS:
        layout = LAYOUTS[family]
        cells: list[Any] = [None] * layout.cells
        for counter in layout.counters:
            for i, labels in enumerate(counter.combinations):
                cells[layout.cell[counter.name].start + i] = (counter.name, "count", tuple(value for _, value in labels))
        for row in layout.distributions:
            for i in range(len(row.thresholds) + 1):
                cells[layout.cell[row.name].start + i] = (row.name, "le", i)
            cells[layout.sum[row.name]] = (row.name, "sum", ())
        buckets = [(d.name, "bucket", i) for d in layout.distributions for i in range(len(d.buckets))]
        registers = [
            (u.name, "register", i)
            for u in layout.uniques
            for i in range(layout.register[u.name].stop - layout.register[u.name].start)
        ]
        COLUMNS[family] = cells, buckets, registers
    return COLUMNS[family]


def state(family: str, fields: Mapping[bytes, bytes]) -> dict[str, Any]:
    """The content of a partition; panes that are folded already and await their deletion are left out."""
    meta, folded_until = json.loads(fields[b"_meta"]), int(fields[b"_folded_until"])
    rows = [row for field, content in fields.items() if field[:2] == b"s:" for row in read_names(content)]
    names = {number: name for number, name, _ in rows}
    panes: dict[int, Cells] = {}
    totals: Cells = {}
    ids: dict[int, list[int]] = {}
    for field, content in sorted(fields.items(), key=lambda item: _place(item[0])):
        kind, *rest = field.decode().split(":")
        if kind == "l":
            totals |= cells(family, decode(content), names)
        elif kind in ("p", "i") and int(rest[0]) >= folded_until:
            if kind == "p":
                panes.setdefault(int(rest[0]), {}).update(cells(family, decode(content), names))
            else:
                ids.setdefault(int(rest[0]), []).extend(np.frombuffer(content, np.uint64).tolist())
    return {
        "next": offset_of(int(fields[b"_next"])),
        "watermark": meta["watermark"] if meta["watermark"] > -(1 << 61) else None,
        "folded_until": folded_until,
        "counts": meta["counts"],
        "dropped": meta["dropped"],
        "names": {tuple(name): hour for _, name, hour in rows},
        "panes": {pane: found for pane, found in panes.items() if found},
        "minutes": {
            minute: found
            for minute, content in ((int(field[2:]), content) for field, content in fields.items() if field[:2] == b"m:")
            if minute >= folded_until - MINUTES_KEPT_MS and (found := cells(family, decode(content), names))
        },
        "totals": totals,
        "ids": ids,
        "table": tables.stored(family, fields, folded_until),
        "live": _live(fields.get(b"live"), names),
    }


def counts(fields: Mapping[bytes, bytes]) -> dict[str, int]:
    """How many records were applied, late, lost, …"""
    return json.loads(fields[b"_meta"])["counts"]


def table(names: Sequence[Any], array: np.ndarray, known: Sequence[Any]) -> Cells:
    """A dense array with a row a series, as (series, column) → amount."""
    at = np.nonzero(array)
    return {(tuple(names[row]), known[i]): int(array[row, i]) for row, i in zip(*(a.tolist() for a in at), strict=True)}


def cells(family: str, rows: Rows, names: Mapping[int, Name]) -> Cells:
    """Rows as (series, column) → amount; a series without a name keeps its number, so that it is noticed."""
    found: Cells = {}
    series = [tuple(names.get(number, (str(number), "", "", ""))) for number in rows.series.tolist()]
    for (index, value), known in zip((rows.cells, rows.buckets, rows.registers), columns(family), strict=True):
        for at, amount in zip(index.tolist(), value.tolist(), strict=True):
            found[series[at // len(known)], known[at % len(known)]] = amount
    return found


def differences(wanted: Mapping[str, Any], found: Mapping[str, Any], most: int = 12) -> list[str]:
    """Where two states differ, in words; empty where they are equal."""
    lines = []
    assert wanted.keys() == found.keys(), wanted.keys() ^ found.keys()
    for part in wanted:
        if wanted[part] == found[part]:
            continue
        if isinstance(wanted[part], dict):
            lines += [f"{part} {line}" for line in _unequal(wanted[part], found[part])]
        else:
            lines.append(f"{part}: {wanted[part]} wanted, {found[part]} found")
    return [line[:400] for line in lines[:most]] + ([f"… {len(lines)} differences"] if len(lines) > most else [])


def _unequal(wanted: Mapping[Any, Any], found: Mapping[Any, Any], path: str = "") -> list[str]:
    lines = []
    for key in [*wanted, *(key for key in found if key not in wanted)]:
        one, other = wanted.get(key), found.get(key)
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            lines += _unequal(one, other, f"{path}{key} ")
        else:
            lines.append(f"{path}{key}: {_short(one)} wanted, {_short(other)} found")
    return lines


def _short(value: Any) -> str:
    return repr(value)[:120]


def _place(field: bytes) -> tuple[Any, ...]:
    kind, *rest = field.split(b":")
    return kind, *((int(part) for part in rest) if kind in (b"p", b"i") else rest)


def _live(content: bytes | None, names: Mapping[int, Name]) -> dict[Any, tuple[int, int]]:
    if content is None:
        return {}
    rows = zip(*(array.tolist() for array in unpack_live(content)), strict=True)
    return {tuple(names[number]): (count, since) for number, count, since in rows}


def merged(states: Any) -> Counter[Any]:
    """Cells of several partitions added up, registers by their maximum."""
    total: Counter[Any] = Counter()
    for found in states:
        for key, amount in found.items():
            total[key] = max(total[key], amount) if key[1][1] == "register" else total[key] + amount
    return total
