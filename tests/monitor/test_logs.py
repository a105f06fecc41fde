"""What the log lets through."""

import logging
from collections.abc import Iterator

import pytest

from monitor import logs


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    logging.basicConfig(level=level, handlers=handlers, force=True)


def test_a_library_that_repeats_itself_is_heard_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A broker that is away fills no disk, and none of our own lines is lost."""
    logs.set_up("INFO", "text")
    for _ in range(50):
        logging.getLogger("aiokafka.cluster").error("Unable to update metadata from %s", [0])
        logging.getLogger("streams.pipeline").warning("the store is away")
    told = capsys.readouterr().err
    assert (told.count("Unable to update metadata"), told.count("the store is away")) == (1, 50)


def test_no_level_tells_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    """What would: requests with passwords in them, URLs with keys."""
    logs.set_up("DEBUG", "text")
    logging.getLogger("aiokafka.conn").debug("Request: SaslAuthenticateRequest(%r)", b"hunter2")
    logging.getLogger("httpx").info("POST https://hooks.example/hunter2")
    assert "hunter2" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a\nERROR forged", "\x1b[2J", "\u202egnp.exe", "\x9b31m"])
def test_a_name_in_a_line_begins_no_other(capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Nor does it reach the terminal as anything but text; tracebacks keep their lines."""
    logs.set_up("INFO", "text")
    try:
        int(name)
    except ValueError:
        logging.getLogger("alerts").exception("app %s", name)
    first, *others = capsys.readouterr().err.splitlines()
    assert first.isprintable()
    assert others[0] == "Traceback (most recent call last):"


def test_at_debug_everything_is_heard(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever searches for a fault sees each line."""
    logs.set_up("DEBUG", "text")
    for _ in range(3):
        logging.getLogger("aiokafka.cluster").error("Unable to update metadata")
    assert capsys.readouterr().err.count("Unable to update metadata") == 3
