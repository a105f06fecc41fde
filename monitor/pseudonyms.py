"""Sessions, users and customers as keyed hashes: without the key nobody can tell whose they are, or try guesses.

SipHash-2-4 is made for this: a pseudorandom function of short texts (Aumasson and Bernstein, 2012).
"""

from functools import partial
from hashlib import blake2b

from siphashc import siphash

from streams.metrics.columns import Pseudonym

_KEY_BYTES = 16
_LONGEST_KEY = 64  # blake2b's


def keyed(key: bytes) -> Pseudonym:
    """Text → 64 bits."""
    return partial(siphash, _digest(key, b"siphash", _KEY_BYTES))


def fingerprint(key: bytes) -> str:
    """Tells whether two workers make the same pseudonyms, and nothing else of the key."""
    return _digest(key, b"fingerprint", 8).hex()


def _digest(key: bytes, purpose: bytes, size: int) -> bytes:
    short = key if len(key) <= _LONGEST_KEY else blake2b(key).digest()
    return blake2b(key=short, person=purpose, digest_size=size).digest()
