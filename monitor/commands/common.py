"""What every command does: read the settings, run, and print for people or scripts."""

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from monitor.settings import Settings
    from streams.events.envelope import EventFamily
    from streams.kafka.settings import KafkaSettings
    from streams.metrics.catalogue import Catalogue

T = TypeVar("T")
AsJson = Annotated[bool, typer.Option("--json", help="For scripts: JSON instead of text.")]


def settings_in_force(*, brief: bool = False, **overrides: object) -> "Settings":
    """The settings; what is misspelled in the environment is warned about, and the log begins.

    `brief` is for commands that end at once: what libraries complain of comes as the one line of the failure.
    """
    import logging

    from monitor import logs, settings

    for warning in settings.unknown_names():
        warn(warning)
    chosen = settings.load(**{name: value for name, value in overrides.items() if value is not None})
    libraries = logging.CRITICAL if brief else logging.WARNING
    logs.set_up(chosen.log_level, chosen.log_format, libraries=libraries)
    return chosen


def kafka_in_force() -> "KafkaSettings":
    """Kafka's part of the settings, for a brief command."""
    from monitor.connections import kafka_settings

    return kafka_settings(settings_in_force(brief=True))


def families() -> "Mapping[str, EventFamily]":
    """Every family of events, by name."""
    return {family.name: family.event for family in catalogue().families}


def catalogue() -> "Catalogue":
    """Every figure there is."""
    from streams.metrics import registry

    return registry.catalogue()


def run(work: Coroutine[Any, Any, T]) -> T:
    """Runs to the end on uvloop, threads' loops included."""
    if sys.platform != "win32":
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    return asyncio.run(work)


def say(line: str = "") -> None:
    """A result, on stdout."""
    typer.echo(line)


def warn(line: str) -> None:
    """A remark, on stderr."""
    typer.echo(f"xmon: {line}", err=True)


def progress(*, quiet: bool) -> "Progress":
    """Bars on stderr while a person looks at it."""
    from rich.console import Console
    from rich.progress import Progress

    return Progress(console=Console(stderr=True), disable=quiet or not sys.stderr.isatty(), transient=True)


def say_json(value: object) -> None:
    """One line of JSON on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, default=str))


def say_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Plain columns, so that `cut` and `sort` work on them."""
    from alerts.words import printable

    lines = [tuple(head), *(tuple(printable(str(cell)) for cell in row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
