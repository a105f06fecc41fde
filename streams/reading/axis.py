"""Rows of a family's arrays ↔ the series that are shown: the values that were chosen, then what they leave of each total."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np

from streams.reading.figures import Series
from streams.windows.series import OTHER, Name

Array = np.ndarray


class Axis:
    """`named` series that were met, then the remainders. `rows`: the only ones of the family's, where it is not all."""

    def __init__(self, names: Sequence[Name], shown: Array, rows: Array | None = None) -> None:
        self._rows, self._of = rows, len(names)
        if rows is not None:
            names, shown = [names[row] for row in rows.tolist()], shown[rows]
        self.names = names  # of the arrays that `fold` takes
        self.size = len(names)
        self._shown = np.flatnonzero(shown)
        self.named = self._shown.size
        totals = {name[:2]: row for row, name in enumerate(names) if name.dimension == "all"}
        groups: dict[tuple[str, str, str], int] = {}
        self._group_of = np.full(self.size, -1, dtype=np.int64)
        for row, name in enumerate(names):
            if name.dimension != "all" and name[:2] in totals:
                self._group_of[row] = groups.setdefault(name[:3], len(groups))
        self._total_of = np.array([totals[group[:2]] for group in groups], dtype=np.int64)
        others = (Series(app, environment, dimension, OTHER) for app, environment, dimension in groups)
        self.series = (*(Series(*names[row]) for row in self._shown.tolist()), *others)

    @cached_property
    def index(self) -> dict[Name, int]:
        """Row of each name."""
        return {name: row for row, name in enumerate(self.names)}

    def spread(self, rows: Array) -> Array:
        """A number for each of `names` → for each row of the family, -1 where it is none of them."""
        if self._rows is None:
            return rows
        found = np.full(self._of, -1, dtype=np.int64)
        found[self._rows] = rows
        return found

    def places(self, other: "Axis") -> Array | None:
        """int64[rows of the family of `other`]: where each lies, by its name, in the arrays that `fold` takes; -1 where nothing
        is told but totals, None where all lie where they are."""
        if other is not self:
            return other.spread(np.array([self.index.get(name, -1) for name in other.names], dtype=np.int64))
        return None if self._rows is None else self.spread(np.arange(self.size))

    def fold(self, array: Array) -> Array:
        """[size, w] → [series, w]: the rows shown, then of each group what they lack of the total."""
        shown = array[self._shown]
        rest = array[self._total_of]
        group = self._group_of[self._shown]
        np.subtract.at(rest, group[group >= 0], shown[group >= 0])
        return np.concatenate((shown, np.maximum(rest, 0)))

    def keep(self, array: Array) -> Array:
        """[size, w] → [series, w]: the rows shown, nothing for the rest."""
        return np.concatenate((array[self._shown], np.zeros((self._total_of.size, array.shape[1]), dtype=array.dtype)))

    def known(self, array: Array) -> Array:
        """[names] → [series], 0 for remainders."""
        return self.keep((array if self._rows is None else array[self._rows])[:, None])[:, 0]
