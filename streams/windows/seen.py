"""Which identities were seen: 64-bit hashes in buckets of event time that are dropped whole.

Serves the removal of duplicates (buckets of a pane) and "the first of its kind" (a session's first record; buckets of an
hour). 8 bytes an identity in sorted runs, where a Python set takes 74; a Bloom filter, at most 16 bytes an identity, tells at
the cost of two look-ups that an identity is new, so that the runs are searched only for the few that may be old.
"""

from collections.abc import Iterator

import numpy as np

from streams.windows.time import distinct

Array = np.ndarray
CHUNK = 2048
_SMALLEST_TABLE = 1 << 14


class Bucket:
    """The identities of one stretch of time: sorted runs to search, and the newest ones in the order they came, to store."""

    def __init__(self) -> None:
        self.count = 0
        self.stored = 0  # how many of them are in chunks that are full and were handed out for storing
        self._runs: list[Array] = []
        self._tail: list[Array] = []

    def add(self, ids: Array) -> None:
        """uint64[n], none of them here yet."""
        self.count += ids.size
        self._tail.append(ids)
        run = np.sort(ids)
        while self._runs and self._runs[-1].size <= 2 * run.size:
            run = np.sort(np.concatenate((self._runs.pop(), run)), kind="stable")
        self._runs.append(run)

    def holds(self, ids: Array) -> Array:
        """uint64[n] → bool[n]."""
        found = np.zeros(ids.size, dtype=bool)
        for run in self._runs:
            at = np.searchsorted(run, ids)
            found |= run[np.minimum(at, run.size - 1)] == ids
        return found

    def unstored(self) -> Iterator[tuple[int, bytes]]:
        """(number, content) of each chunk that changed since the last call. A chunk's content depends on arrival order only."""
        tail = np.concatenate(self._tail) if self._tail else np.empty(0, dtype=np.uint64)
        first = self.stored // CHUNK
        for start in range(0, tail.size, CHUNK):
            yield first + start // CHUNK, tail[start : start + CHUNK].tobytes()
        kept = tail.size % CHUNK
        self.stored += tail.size - kept
        self._tail = [tail[tail.size - kept :]] if kept else []

    def restore(self, chunks: list[bytes]) -> None:
        """The inverse of all that `unstored` ever gave, in order of number."""
        ids = np.frombuffer(b"".join(chunks), dtype=np.uint64)
        self.count = ids.size
        self.stored = ids.size - ids.size % CHUNK
        self._runs = [np.sort(ids)] if ids.size else []
        self._tail = [ids[self.stored :]] if ids.size > self.stored else []

    def chunks(self) -> int:
        return -(-self.count // CHUNK)

    def all(self) -> list[Array]:
        return self._runs


class Seen:
    """Identities by bucket; `first_time` adds what is new."""

    def __init__(self) -> None:
        self.buckets: dict[int, Bucket] = {}
        self._changed: set[int] = set()
        self._count = 0
        self._flags = np.zeros(_SMALLEST_TABLE, dtype=bool)

    def first_time(self, ids: Array, buckets: Array) -> Array:
        """uint64[n] identities, int64[n] buckets → bool[n]: True for the first of each identity among all that are held."""
        if not ids.size:
            return np.zeros(0, dtype=bool)
        fresh = _first(ids)
        suspects = np.flatnonzero(fresh & self._maybe(ids))
        for bucket in self.buckets.values():
            if not suspects.size:
                break
            known = bucket.holds(ids[suspects])
            fresh[suspects[known]] = False
            suspects = suspects[~known]
        self._add(ids[fresh], buckets[fresh])
        return fresh

    def _add(self, ids: Array, buckets: Array) -> None:
        for number in distinct(buckets):
            self.buckets.setdefault(number, Bucket()).add(ids[buckets == number])
            self._changed.add(number)
        self._count += ids.size
        if 4 * self._count > self._flags.size:
            self._rebuild()
        else:
            self._flag(ids)

    def _flag(self, ids: Array) -> None:
        for place in self._places(ids):
            self._flags[place] = True

    def _maybe(self, ids: Array) -> Array:
        """bool[n]: False for those that are not held."""
        one, other = self._places(ids)
        return np.asarray(self._flags[one] & self._flags[other])

    def _places(self, ids: Array) -> tuple[Array, Array]:
        """Two for each, from either half of it."""
        most = np.uint64(self._flags.size - 1)
        return (ids & most).astype(np.int64), (ids >> np.uint64(32) & most).astype(np.int64)

    def _rebuild(self) -> None:
        size = _SMALLEST_TABLE
        while size < 8 * self._count:
            size *= 2
        self._flags = np.zeros(size, dtype=bool)
        for bucket in self.buckets.values():
            for run in bucket.all():
                self._flag(run)

    def drop_before(self, number: int) -> dict[int, int]:
        """Forgets the buckets below `number`; returns how many chunks each of them had."""
        gone = {old: self.buckets.pop(old).chunks() for old in sorted(self.buckets) if old < number}
        if gone:
            self._changed -= gone.keys()
            self._count = sum(bucket.count for bucket in self.buckets.values())
            self._rebuild()
        return gone

    def unstored(self) -> Iterator[tuple[int, int, bytes]]:
        """(bucket, chunk, content) of all that changed since the last call."""
        for number in sorted(self._changed):
            for chunk, content in self.buckets[number].unstored():
                yield number, chunk, content
        self._changed.clear()

    def restore(self, chunks: dict[int, dict[int, bytes]]) -> None:
        """bucket → chunk → content."""
        for number, contents in chunks.items():
            bucket = self.buckets[number] = Bucket()
            bucket.restore([contents[i] for i in sorted(contents)])
        self._count = sum(bucket.count for bucket in self.buckets.values())
        self._rebuild()


def _first(ids: Array) -> Array:
    """bool[n]: True for the first of each. As a rule all are different, which takes a sixth of the time to see."""
    ordered = np.sort(ids)
    if (ordered[1:] != ordered[:-1]).all():
        return np.ones(ids.size, dtype=bool)
    first = np.zeros(ids.size, dtype=bool)
    first[np.unique(ids, return_index=True)[1]] = True
    return first
