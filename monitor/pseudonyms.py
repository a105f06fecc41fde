"""Sessions, users and customers as keyed hashes: without the key nobody can tell whose they are, or try guesses."""

from functools import lru_cache
from hashlib import blake2b

from streams.metrics.columns import Pseudonym

CACHED = 100_000
_BYTES = 8
_LONGEST_KEY = 64  # blake2b's


def keyed(key: bytes) -> Pseudonym:
    """Text → 64 bits, never 0."""
    keyed_only = blake2b(key=key if len(key) <= _LONGEST_KEY else blake2b(key).digest(), digest_size=_BYTES)

    @lru_cache(maxsize=CACHED)
    def pseudonym(text: str) -> int:
        digest = keyed_only.copy()  # half the price of mixing the key in once more
        digest.update(text.encode())
        return int.from_bytes(digest.digest(), "big") or 1

    return pseudonym


def fingerprint(key: bytes) -> str:
    """Tells whether two workers have the same key, and nothing else of it."""
    return blake2b(key, digest_size=_BYTES, person=b"fingerprint").hexdigest()
