"""Rounds put together."""

from collections.abc import Callable, Collection, Sequence
from statistics import median
from typing import TypeVar

from benchmarks.arena import Line

Kind = TypeVar("Kind")


def medians(found: Sequence[Line], kind: Callable[[Line], Kind], columns: Collection[str]) -> dict[Kind, dict[str, float]]:
    """Of each kind the median of each column; nan where no round saw it."""

    def of(which: Kind, what: str) -> float:
        seen = [line[what] for line in found if kind(line) == which and line[what] is not None]
        return median(seen) if seen else float("nan")

    return {which: {what: of(which, what) for what in columns} for which in dict.fromkeys(map(kind, found))}
