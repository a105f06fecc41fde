"""Writes what was measured last into the pages that tell of it: `python -m benchmarks.report`.

Measurements are lines of JSON under .cache, left there by `make faults`, `make soak` and `make bench`. A table stands in a page
between `<!-- name -->` and `<!-- /name -->`; one of which nothing was measured stays as it is.
"""

import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
Line = Mapping[str, Any]


def measured(name: str) -> list[Line]:
    """The lines of a file under .cache; none where it is not there."""
    file = ROOT / ".cache" / name
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right."""
    rule = [":--", *("--:" for _ in head[1:])]
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, rule, *rows))


def faults(lines: Sequence[Line]) -> str:
    """By fault: how often, and seconds from its beginning until all that the log then held was stored and shown."""
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        found["two at the same time" if "+" in line["fault"] else line["fault"]].append(line)
    rows = [
        [fault, str(len(some)), *(f"{how(one[what] for one in some):.1f}" for what, how in _FAULT_COLUMNS)]
        for fault, some in sorted(found.items())
    ]
    return markdown(["fault", "times", "lasted, s (median)", "stored after", "worst", "shown after", "worst"], rows)


_FAULT_COLUMNS: Sequence[tuple[str, Callable[[Any], float]]] = (
    ("lasted", statistics.median),
    ("stored", statistics.median),
    ("stored", max),
    ("shown", statistics.median),
    ("shown", max),
)


def peers(lines: Sequence[Line]) -> str:
    """The last whole measurement of each."""
    last = {line["name"]: line for line in lines if line["events"] == 100_000 and line["kills"] == 5}
    rows = [
        [
            name,
            f"{line['session_timeout_seconds']:g}",
            f"{line['twice']:,}",
            f"{line['missing']:,}",
            f"{statistics.median(line['back_seconds']):.1f}",
            f"{max(line['back_seconds']):.1f}",
        ]
        for name, line in sorted(last.items(), key=lambda item: (item[1]["twice"] + item[1]["missing"], item[0]))
    ]
    return markdown(["", "session timeout, s", "twice", "missing", "back, s (median)", "worst"], rows)


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


def latest(folder: str) -> str:
    """The newest file of a folder under .cache."""
    return max((f"{folder}/{file.name}" for file in (ROOT / ".cache" / folder).glob("*.jsonl")), default=f"{folder}/none")


TABLES: Sequence[tuple[str, str, str, Callable[[Sequence[Line]], str]]] = (
    ("docs/exactness.md", "faults", "faults/recoveries.jsonl", faults),
    ("docs/exactness.md", "peers", "peers/exactness.jsonl", peers),
    ("docs/exactness.md", "soak", latest("soak"), soak),
)


def put(text: str, name: str, table: str) -> str:
    """The text with the table in its place. Raises ValueError where there is no place for it."""
    before, begin, rest = text.partition(f"<!-- {name} -->\n")
    _, end, after = rest.partition(f"<!-- /{name} -->")
    if not end:
        raise ValueError(f"no place for {name}")
    return f"{before}{begin}{table}\n{end}{after}"


def main() -> None:
    for page, name, source, table in TABLES:
        if lines := measured(source):
            file = ROOT / page
            file.write_text(put(file.read_text(), name, table(lines)))


if __name__ == "__main__":
    main()
