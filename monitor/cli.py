"""The command line. A failure that can be foreseen is one line with a hint and an exit code of its own kind."""

import sys

import typer

from monitor.commands import bench, dlq, events, roles, rules, topics

app = typer.Typer(
    name="xmon",
    help="A self-hosted, real-time digital experience monitor. Settings: XMON_* (docs/settings.md).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    rich_markup_mode=None,
)
app.command(epilog="Example: XMON_KAFKA_BOOTSTRAP_SERVERS=kafka:9092 xmon run")(roles.run)
app.command(epilog="Example: XMON_REDIS_URL=redis://redis:6379/0 xmon worker")(roles.worker)
app.command(epilog="Example: XMON_SERVE_HOST=0.0.0.0 xmon serve --port 9464")(roles.serve)
app.command(epilog="Example: xmon demo --port 8080")(roles.demo)
app.command(epilog="Example: xmon send events.jsonl, or: tail -f events.jsonl | xmon send - --family page-load")(events.send)
app.command(epilog="Example: xmon bench --rate 5000 --seconds 60")(bench.bench)
app.add_typer(topics.app, name="topics")
app.add_typer(dlq.app, name="dlq")
app.add_typer(rules.app, name="rules")
app.command(epilog="Example: xmon schema page-load > page-load.schema.json")(events.schema)
app.command(epilog="Example: xmon healthcheck worker")(roles.healthcheck)


def main() -> None:
    """Entry point of `xmon`."""
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(0)  # whoever read our output has seen enough
    except Exception as problem:  # noqa: BLE001  the last stop: everything ends as a line and a code
        sys.exit(_ended(problem))


def _ended(problem: Exception) -> int:
    from monitor.failures import Code, exit_code, foreseen

    error = foreseen(problem)
    code, text = exit_code(error), str(error)
    if code is None:
        import traceback

        traceback.print_exception(problem)
        code, text = Code.INTERNAL, f"this is a fault of the program: {error!r}"
    for line in text.splitlines():
        typer.echo(f"xmon: {line}", err=True)
    return int(code)


if __name__ == "__main__":
    main()
