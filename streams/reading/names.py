"""Which row of a reader's arrays a series has."""

import numpy as np

from streams.windows.series import Name

Array = np.ndarray
NOBODY = Name("", "", "", "")  # of a row that was given back


class Names:
    """Every series of a family that any partition knows ↔ rows of the reader's arrays."""

    def __init__(self) -> None:
        self.names: list[Name] = []
        self._rows: dict[Name, int] = {}
        self._free: list[int] = []

    def row(self, name: Name) -> int:
        """The row of a series, given out when it is first asked for."""
        row = self._rows.get(name)
        if row is None:
            if self._free:
                row = self._free.pop()
                self.names[row] = name
            else:
                row = len(self.names)
                self.names.append(name)
            self._rows[name] = row
        return row

    def are_totals(self, rows: Array) -> Array:
        """int64[n] → bool[n]: whether a row is the total of an app."""
        return np.array([self.names[row].dimension == "all" for row in rows.tolist()], dtype=bool)

    def keep(self, rows: set[int]) -> list[int]:
        """Gives back all other rows, and returns them. Whoever forgets a series has not met it for a day, so nothing that
        is still read lies in its row."""
        gone = [name for name, row in self._rows.items() if row not in rows]
        freed = [self._rows.pop(name) for name in gone]
        for row in freed:
            self.names[row] = NOBODY
        self._free += freed
        return freed
