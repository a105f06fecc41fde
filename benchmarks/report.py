"""Writes what was measured last into the pages that tell of it: `python -m benchmarks.report`.

Measurements are lines of JSON under .cache, left there by `make faults`, `make soak` and `make bench`. A table stands in a page
between `<!-- name -->` and `<!-- /name -->`; one of which nothing was measured stays as it is.
"""

import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from benchmarks import sizing, speed, stages
from benchmarks.arena import Line
from benchmarks.markdown import TARGET_HEAD, markdown
from benchmarks.parts import PARTS

ROOT = Path(__file__).parents[1]
CACHE, PICTURES = ROOT / ".cache", ROOT / "docs" / "plots"


def measured(pattern: str) -> list[Line]:
    """The lines of the newest such file under .cache; none where there is none."""
    newest = max(CACHE.glob(pattern), default=None)
    return [json.loads(line) for line in newest.read_text().splitlines()] if newest else []


def faults(lines: Sequence[Line]) -> str:
    """By fault: how often, and seconds from its beginning until all that the log then held was stored and shown; and what came
    of it. Nothing of a run of some faults only, or of one that is not over."""
    whole = next((line for line in lines if line.get("every_fault")), None)
    if whole is None:
        return ""
    found: dict[str, list[Line]] = defaultdict(list)
    for line in (line for line in lines if "fault" in line):
        found["two at the same time" if "+" in line["fault"] else line["fault"]].append(line)
    rows = [
        [fault, str(len(some)), *(f"{how(one[what] for one in some):.1f}" for what, how in _FAULT_COLUMNS)]
        for fault, some in sorted(found.items())
    ]
    head = ["fault", "times", "lasted, s (median)", "stored after", "worst", "shown after", "worst"]
    differed = f"seeds {', '.join(map(str, whole['differed']))} differed" if whole["differed"] else "nothing differed in any"
    others = "passed" if whole["long_forms_passed"] else "failed"
    return (
        f"{whole['date']}: {whole['seeds']} seeds of {whole['events']:,} events, {whole['at_once']} at once on "
        f"{whole['cores']} cores, {whole['minutes']:.0f} minutes; {differed}. Simulator and scenarios before them {others}.\n\n"
        f"{markdown(head, rows)}"
    )


_FAULT_COLUMNS: Sequence[tuple[str, Callable[[Any], float]]] = (
    ("lasted", statistics.median),
    ("stored", statistics.median),
    ("stored", max),
    ("shown", statistics.median),
    ("shown", max),
)


def peers(lines: Sequence[Line]) -> str:
    """The last whole measurement of each; nothing where there is none."""
    last = {line["name"]: line for line in lines if line["events"] == 100_000 and line["kills"] == 5}
    if not last:
        return ""
    rows = [
        [
            name,
            f"{line['session_timeout_seconds']:g}",
            f"{line['twice']:,}",
            f"{line['missing']:,}",
            *(_back(how, line["back_seconds"]) for how in (statistics.median, max)),
        ]
        for name, line in sorted(last.items(), key=lambda item: (item[1]["twice"] + item[1]["missing"], item[0]))
    ]
    return markdown(["", "session timeout, s", "twice", "missing", "back, s (median)", "worst"], rows)


def _back(how: Callable[[Any], float], seconds: Sequence[float | None]) -> str:
    """None: it did not come back in time."""
    told = how(float("inf") if one is None else one for one in seconds)
    return "never" if told == float("inf") else f"{told:.1f}"


def soak(lines: Sequence[Line]) -> str:
    """About eight moments of it, MiB; what closed minutes take is kept for 75 minutes and shown apart."""
    mib, every = 1 << 20, max(len(lines) // 8, 1)
    rows = [
        [
            f"{line['seconds'] / 60:.0f}",
            f"{line['sent']:,}",
            f"{line['worker'] / mib:.0f}",
            f"{(line['serve'] - line['frames']) / mib:.0f}",
            f"{line['frames'] / mib:.0f}",
            f"{(line['redis'] - line['minutes']) / mib:.0f}",
            f"{line['minutes'] / mib:.0f}",
        ]
        for line in [*lines[every - 1 :: every][:-1], lines[-1]]
    ]
    head = ["minutes", "events", "worker, MiB", "serve", "its minutes", "Redis", "its minutes"]
    return markdown(head, rows)


TABLES: Sequence[tuple[str, str, Callable[[Sequence[Line]], str]]] = (  # name, the newest such file, its table
    ("faults", "faults/recoveries.jsonl", faults),
    ("peers", "peers/exactness.jsonl", peers),
    ("soak", "soak/*.jsonl", soak),
)


Measured = Mapping[str, tuple[Line, Sequence[Line]]]


def benched() -> Measured:
    """By part: on what it was measured last, and its lines."""
    found = {name: measured(f"bench/{name}.jsonl") for name in PARTS}
    return {name: (lines[0], lines[1:]) for name, lines in found.items() if lines}


def performance(found: Measured) -> Iterator[tuple[str, str]]:
    """(name, table) of docs/performance.md."""
    heads = [head for head, _ in found.values()]
    facts = max(heads, key=itemgetter("date"))["machine"]
    yield "machine", "\n".join(f"- {what}: {told}" for what, told in facts.items())
    rows = [[name, *(f"{head[what]:{style}}" for what, style in _RUN_COLUMNS)] for name, (head, _) in found.items()]
    yield "runs", markdown(["part", "date", "commit", "minutes it took", "load before"], rows)
    targets = [target.row() for name, (_, lines) in found.items() for target in PARTS[name].targets(lines)]
    yield "targets", markdown(TARGET_HEAD, targets)
    yield from (("sizes", sizing.table()), ("tables", sizing.tables()))
    if found.keys() >= {"speed", "stages"}:
        yield "rest", rest(found["speed"][1], found["stages"][1])
    yield from ((name, "\n\n".join((PARTS[name].table(lines), *_picture(name)))) for name, (_, lines) in found.items())


def rest(raced: Sequence[Line], staged: Sequence[Line]) -> str:
    """What a worker takes in the race beyond what the stages take."""
    whole = statistics.median(line["cpu_us"] for line in speed.finished(raced, speed.OURS))
    known = stages.together(staged)
    return (
        f"A worker in the race takes {whole:.2f} µs an event: {known:.2f} for the above, and {whole - known:.2f} for the rest."
    )


def _picture(name: str) -> Iterator[str]:
    """A link to it, where there is one."""
    if (PICTURES / f"{name}.svg").exists():
        yield f"![{name}]({PICTURES.name}/{name}.svg)"


_RUN_COLUMNS = (("date", ""), ("code", ""), ("minutes", ".1f"), ("load", ".1f"))


def draw(found: Measured) -> None:
    """The pictures of docs/performance.md, where what draws them is installed."""
    try:
        from benchmarks import plots  # noqa: PLC0415 - an optional package
    except ImportError:
        print("no pictures were drawn: `make bench` installs what that takes")
        return
    plots.draw({name: lines for name, (_, lines) in found.items()}, PICTURES)


def put(text: str, name: str, table: str) -> str:
    """The text with the table in its place. Raises ValueError where there is no place for it."""
    before, begin, rest = text.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not end:
        raise ValueError(f"no place for {name}")
    return f"{before}{begin}{table}\n{end}{after}"


def fill(page: str, tables: Iterable[tuple[str, str]]) -> None:
    """Writes tables to their places in a page."""
    file = ROOT / page
    text = file.read_text()
    for name, table in tables:
        text = put(text, name, table)
    file.write_text(text)


def write_performance() -> None:
    """docs/performance.md and its pictures, once every part was measured, all on one machine."""
    found = benched()
    if problem := ", ".join(name for name in PARTS if name not in found):
        problem = f"not measured: {problem}"
    elif len(machines := {head["machine"]["machine"] for head, _ in found.values()}) > 1:
        problem = f"measured on different machines: {', '.join(sorted(machines))}"
    if problem:
        print(f"docs/performance.md stays as it is ({problem})")
        return
    draw(found)
    fill("docs/performance.md", performance(found))


def main() -> None:
    tables = [(name, table(lines)) for name, source, table in TABLES if (lines := measured(source))]
    fill("docs/exactness.md", [(name, text) for name, text in tables if text])
    write_performance()


if __name__ == "__main__":
    main()
