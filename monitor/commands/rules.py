"""`xmon rules`."""

from pathlib import Path
from typing import Annotated

import typer

from monitor.commands import common

app = typer.Typer(no_args_is_help=True, help="Check alert rules.")
File = Annotated[Path | None, typer.Argument(help="A rule file; without it the one in force.", show_default=False)]


@app.callback()
def group() -> None:
    """Check alert rules."""


@app.command(epilog="Example: xmon rules check my-rules.yaml")
def check(file: File = None, as_json: common.AsJson = False) -> None:
    """Say every mistake in a rule file with its line and column; exit code 6 if there is any."""
    from alerts import rules
    from monitor.failures import Code
    from monitor.rule_files import in_force

    path = file or in_force(common.settings_in_force().rules_file)
    mistakes = rules.check(path, common.catalogue().figures)
    if as_json:
        common.say_json([{"line": m.place.line, "column": m.place.column, "message": m.message} for m in mistakes])
    for mistake in mistakes if not as_json else ():
        typer.echo(str(mistake), err=True)
    if mistakes:
        raise typer.Exit(Code.RULES)
    if not as_json:
        common.say(f"{path}: {len(rules.load(path, common.catalogue().figures))} rules, no mistake")
