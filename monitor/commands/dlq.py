"""`xmon dlq`: records that were refused, and why."""

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monitor.commands import common

if TYPE_CHECKING:
    from streams.kafka.dead_letters import StoredLetter

app = typer.Typer(no_args_is_help=True, help="Look at records that were refused, and why.")
Reason = Annotated[str | None, typer.Option(help="Only these, e.g. missing_field.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="The newest so many.")]


@app.command("list", epilog="Example: xmon dlq list --limit 5000")
def list_letters(limit: Limit = 1000, as_json: common.AsJson = False) -> None:
    """Count the newest dead letters by topic, reason and detail."""
    counts = Counter((letter.partition.topic, letter.reason, letter.detail) for letter in _read(limit, None))
    rows = [(*words, count) for words, count in counts.most_common()]
    if as_json:
        common.say_json([dict(zip(("topic", "reason", "detail", "count"), row, strict=True)) for row in rows])
    elif rows:
        common.say_table(("COUNT", "TOPIC", "REASON", "DETAIL"), [(row[3], *row[:3]) for row in rows])
    else:
        common.say("No dead letters.")


@app.command(epilog="Example: xmon dlq show --reason missing_field --limit 3")
def show(limit: Limit = 10, reason: Reason = None, as_json: common.AsJson = False) -> None:
    """Show dead letters with what the records held, newest last."""
    from alerts.words import printable

    for letter in _read(limit, reason):
        words = _words(letter)
        if as_json:
            common.say_json(words)
            continue
        common.say(printable(f"{words['record']}  {words['at']}  {words['reason']}: {words['detail']}"))
        common.say(printable(f"    {words['value']}"))


def _read(limit: int, reason: str | None) -> "list[StoredLetter]":
    from streams.kafka import dead_letters

    kafka = common.kafka_in_force()
    return common.run(dead_letters.read(kafka, limit, reason))


def _words(letter: "StoredLetter") -> dict[str, Any]:
    value = letter.value.decode(errors="replace") if letter.value is not None else None
    return {
        "record": f"{letter.partition}:{letter.offset}",
        "at": _instant(letter.timestamp_ms),
        "reason": letter.reason,
        "detail": letter.detail,
        "key": letter.key.decode(errors="replace") if letter.key is not None else None,
        "value": value if letter.complete else f"{value} … cut, {letter.size} bytes",
    }


def _instant(at_ms: int) -> str:
    """A producer's clock may say anything."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"
