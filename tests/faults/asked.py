"""What the API says, beside what the oracle counts: any stretch of time, by any dimension, and what waits now."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tests.e2e.monitor import Process
from tests.faults import readings
from tests.faults.equal import Numbers, unequal
from tests.faults.expected import Expected, Stretch
from tests.faults.model import FIGURES, NOW
from tests.faults.oracle import MINUTE_MS
from tests.faults.site import Site

Questions = Sequence[tuple[str, str]]  # figure, and by which dimension


def differences(site: Site, serve: Process, expected: Expected, whole: Stretch) -> list[str]:
    """The whole is asked for by every dimension, parts of it as totals and by one dimension of each figure."""
    where = f"{serve.directory.name} API"
    listed = {one["name"]: sorted(one["dimensions"]) for one in site.ask(serve, "/api/v1/catalogue")["figures"]}
    lines = unequal(f"{where} catalogue", {name: sorted(dimensions) for name, dimensions in FIGURES.items()}, listed)
    for stretch in stretches(expected, *whole):
        questions = [
            (figure, by)
            for figure, dimensions in FIGURES.items()
            if figure not in NOW
            for by in ("all", *(dimensions if stretch == whole else site.rng.sample(dimensions, 1)))
        ]
        answered = expected.aligned(*stretch)
        wanted = {"stretch": answered} | _wanted(expected.said(answered), questions)
        possible = [(figure, by) for figure, by in questions if figure in listed and by in ("all", *listed[figure])]
        lines += unequal(f"{where} {stretch}", wanted, _found(site, serve, stretch, possible))
    return lines + _now(site, serve, expected, where)


def stretches(expected: Expected, low: int, high: int) -> list[Stretch]:
    """The whole; a part between two minutes; from within folded minutes to within an open pane; and open panes alone."""
    third, edge = (high - low) // 3 // MINUTE_MS * MINUTE_MS, expected.folded_until
    parts = [(low + third, high - third), (edge - 170_001, edge + 34_567), (edge + 12_345, edge + 71_234)]
    return [(low, high), *(part for part in parts if low <= part[0])]


def _wanted(said: readings.Said, questions: Questions) -> dict[Any, Any]:
    """(figure, statistic, *series, labels, what of it) → number, of what is asked for."""
    asked = set(questions)
    return {
        (*key, what): value
        for key, reading in said.items()
        if (key[0], key[4]) in asked
        for what, value in reading._asdict().items()
        if value is not None
    }


def _found(site: Site, serve: Process, stretch: Stretch, questions: Questions) -> Numbers:
    """The same of the answers, and the one stretch that all of them say they are of."""
    found: dict[Any, Any] = {}
    for figure, by in questions:
        answer = site.ask(serve, "/api/v1/figures", **{"figure": figure, "from": stretch[0], "to": stretch[1], "by": by})
        answered = epoch_ms(answer["from"]), epoch_ms(answer["to"])
        if found.setdefault("stretch", answered) != answered:
            found["stretch", figure, by] = answered
        for one in answer["readings"]:
            key = figure, one["statistic"], *one["series"].values(), tuple(one["labels"].values())
            found |= {(*key, what): one[what] for what in readings.Reading._fields if one[what] is not None}
    return found


def _now(site: Site, serve: Process, expected: Expected, where: str) -> list[str]:
    lines = []
    for figure in NOW:
        for by in ("all", *FIGURES[figure]):
            answer = site.ask(serve, "/api/v1/figures", figure=figure, by=by)
            now = expected.now(epoch_ms(answer["at"]))
            wanted = {key: value for key, value in now.items() if (key[0], key[3]) == (figure, by)}
            found = {(figure, *reading["series"].values()): reading["value"] for reading in answer["readings"]}
            lines += unequal(where, wanted, found)
    return lines


def instant(site: Site, serve: Process) -> int:
    """Of the snapshot that is shown."""
    return epoch_ms(site.ask(serve, "/api/v1/figures", figure="page_views")["at"])


def epoch_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
