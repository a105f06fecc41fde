"""Sessions, users and customers as keyed hashes: without the key nobody can tell whose they are, or try guesses."""

from hashlib import blake2b

from streams.metrics.columns import Pseudonym

CACHED = 30_000
_BYTES = 8
_LONGEST_KEY = 64  # blake2b's


class _Known(dict[str, int]):
    """Text → its pseudonym. Many events are of one session, so most are found here, at a fifth of the price."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self._keyed = blake2b(key=key if len(key) <= _LONGEST_KEY else blake2b(key).digest(), digest_size=_BYTES)

    def __missing__(self, text: str) -> int:
        if len(self) >= CACHED:
            self.clear()
        digest = self._keyed.copy()  # half the price of mixing the key in once more
        digest.update(text.encode())
        found = self[text] = int.from_bytes(digest.digest(), "big") or 1
        return found


def keyed(key: bytes) -> Pseudonym:
    """Text → 64 bits, never 0."""
    return _Known(key).__getitem__


def fingerprint(key: bytes) -> str:
    """Tells whether two workers have the same key, and nothing else of it."""
    return blake2b(key, digest_size=_BYTES, person=b"fingerprint").hexdigest()
