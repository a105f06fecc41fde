"""The log: lines for people or JSON for machines, on stderr, without the chatter of libraries."""

import json
import logging
from datetime import UTC, datetime

from alerts.words import printable
from monitor.calm import Calm

_SERVICES = ("streams.kafka.transport", "streams.kafka.consumer_thread")  # Faust's own words under our names
_CHATTY = ("aiokafka", "faust", "mode", "uvicorn", "httpx", "asyncio", *_SERVICES)
_TELL_SECRETS = ("aiokafka.conn", "httpx", "httpcore")  # passwords in requests, keys in URLs


class _Text(logging.Formatter):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        record.message = printable(record.message)  # names in it came from anywhere, and begin no line of their own
        return super().formatMessage(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up(level: str, style: str, *, libraries: int = logging.WARNING) -> None:
    """Replaces what logging was set up before. Libraries are heard from a level of their own on, at DEBUG all of them but those
    that would tell secrets."""
    handler = logging.StreamHandler()
    text = _Text("%(asctime)s %(levelname)s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(_Json() if style == "json" else text)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    if level != "DEBUG":
        handler.addFilter(Calm())
    for name in _CHATTY if level != "DEBUG" else _TELL_SECRETS:
        logging.getLogger(name).setLevel(libraries)
