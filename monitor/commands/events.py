"""`xmon send` and `xmon schema`."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from monitor.commands import common

if TYPE_CHECKING:
    from streams.events.envelope import EventFamily
    from streams.kafka.publish import Publisher
    from streams.kafka.settings import KafkaSettings

File = Annotated[str, typer.Argument(help="A file of JSON lines; - reads from standard input.", metavar="FILE")]
Family = Annotated[str | None, typer.Option(help="Of all events; else each line has its own `family`.")]
Unchecked = Annotated[bool, typer.Option("--unchecked", help="Send what will be refused too.")]


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    size: int
    family: "EventFamily"
    event: dict[str, Any]


def send(file: File, family: Family = None, unchecked: Unchecked = False, as_json: common.AsJson = False) -> None:
    """Publish events: JSON lines, each with `family` or all of one --family."""
    from monitor.connections import kafka_settings

    settings = common.settings_in_force(brief=True)
    kafka = kafka_settings(settings)
    max_bytes = None if unchecked else settings.max_event_bytes
    count = common.run(_publish(kafka, file, family, max_bytes, quiet=as_json))
    if as_json:
        common.say_json({"sent": count})
    else:
        common.say(f"{count} events published")


def schema(
    family: Annotated[str | None, typer.Argument(help="E.g. page-load; without it the names of all.")] = None,
) -> None:
    """Print the JSON Schema of a family of events."""
    from monitor.failures import UsageError

    known = common.families()
    if family is None:
        for name in known:
            common.say(name)
    elif family in known:
        from monitor.docs import json_schema

        common.say(json_schema(known[family]))
    else:
        raise UsageError(f"there is no family {family!r}. Hint: {', '.join(known)}")


async def _publish(kafka: "KafkaSettings", file: str, family: str | None, max_bytes: int | None, *, quiet: bool) -> int:
    from streams.kafka.publish import Publisher

    count, families = 0, set[str]()
    with _opened(file) as (stream, size), common.progress(quiet=quiet) as bar:
        task = bar.add_task("publishing", total=size)
        async with Publisher(kafka) as publisher:
            for line in _events(stream, common.families(), family, max_bytes):
                if line.family.name not in families:
                    await _require(publisher, line)
                    families.add(line.family.name)
                await publisher.send(line.family, line.event)
                bar.advance(task, line.size)
                count += 1
            await publisher.flush()
    return count


async def _require(publisher: "Publisher", line: _Line) -> None:
    from streams.kafka.exit_codes import KafkaRefused

    try:
        await publisher.require(line.family)
    except KafkaRefused as error:
        raise KafkaRefused(f"line {line.number}: {error}. Nothing from this line on was published.") from error


@contextmanager
def _opened(file: str) -> Iterator[tuple[IO[bytes], int | None]]:
    """The lines and how many bytes they are, where that is known."""
    from monitor.failures import UsageError

    if file == "-":
        yield sys.stdin.buffer, None
        return
    try:
        stream = Path(file).open("rb")  # noqa: SIM115  closed below
    except OSError as error:
        raise UsageError(f"{file} cannot be read ({(error.strerror or '').lower()}). Hint: check the path.") from None
    with stream:
        yield stream, Path(file).stat().st_size


def _events(
    stream: IO[bytes], families: "Mapping[str, EventFamily]", of_all: str | None, max_bytes: int | None
) -> Iterator[_Line]:
    from monitor.checking import Checker
    from monitor.failures import UsageError

    checker = Checker(families, max_bytes)
    for number, text in enumerate(stream, 1):
        if not text.strip():
            continue
        try:
            event = _parsed(text)
            name = event.pop("family", of_all) if isinstance(event, dict) else None
            yield _Line(number, len(text), checker.check(name, event), event)
        except ValueError as error:
            raise UsageError(f"line {number}: {error}. Nothing from this line on was published.") from None


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"it is no JSON ({error.msg} at column {error.colno})") from None
