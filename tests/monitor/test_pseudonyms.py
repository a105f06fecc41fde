"""What becomes of sessions, users and customers."""

import pytest
from siphashc import siphash

from monitor.pseudonyms import fingerprint, keyed

SESSIONS = [f"session-{i}" for i in range(1000)]
KEYS = [b"", b"a", b"b", bytes(64), bytes(65), bytes(66)]


def test_the_hash_is_siphash() -> None:
    """The vector of its authors: appendix A of the paper."""
    assert siphash(bytes(range(16)), bytes(range(15))) == 0xA129CA6149BE45E5


def test_the_same_key_gives_the_same_pseudonyms() -> None:
    """On every worker; and a different one for each text."""
    one, other = keyed(b"secret"), keyed(b"secret")
    pseudonyms = [one(session) for session in SESSIONS]
    assert pseudonyms == [other(session) for session in SESSIONS]
    assert len(set(pseudonyms)) == len(SESSIONS)
    assert max(pseudonyms) < 2**64


def test_another_key_gives_others() -> None:
    """Whatever its length, and the fingerprint tells them apart."""
    assert len({keyed(key)("session") for key in KEYS}) == len(KEYS)
    assert len({fingerprint(key) for key in KEYS}) == len(KEYS)


@pytest.mark.parametrize("text", ["", "é", "\0", "日本語", "x" * 128])
def test_any_text_has_one(text: str) -> None:
    """In any script."""
    assert keyed(b"secret")(text) == keyed(b"secret")(text) != keyed(b"secret")(f"{text}.")
