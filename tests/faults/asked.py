"""What the API says, beside what the oracle counts: any stretch of time, by any dimension, and what waits now."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.e2e.monitor import Process
from tests.faults import observed, readings
from tests.faults.equal import Numbers, unequal
from tests.faults.model import FIGURES, NOW
from tests.faults.oracle import MINUTE_MS, PANE_MS, Cells, Oracle
from tests.faults.site import Place, Site

Oracles = Mapping[Place, Oracle]
Stretch = tuple[int, int]
Spans = Callable[[int, int], tuple[Cells, Stretch]]  # from and to → what was counted in the stretch that is answered


def spans(oracles: Oracles) -> Spans:
    """Of all partitions together; each stretch is added up once."""
    known: dict[Stretch, Cells] = {}

    def span(from_ms: int, to_ms: int) -> tuple[Cells, Stretch]:
        stretch = aligned(oracles, from_ms, to_ms)
        if stretch not in known:
            known[stretch] = observed.merged(oracle.span(*stretch) for oracle in oracles.values())
        return known[stretch], stretch

    return span


def folded(oracles: Oracles) -> int:
    return max((oracle.folded_until for oracle in oracles.values()), default=0)


def aligned(oracles: Oracles, from_ms: int, to_ms: int) -> Stretch:
    """Out to whole panes, and to whole minutes where panes have been folded."""
    low, high = (MINUTE_MS if at < folded(oracles) else PANE_MS for at in (from_ms, to_ms))
    return from_ms // low * low, -(-to_ms // high) * high


def stretches(oracles: Oracles, low: int, high: int) -> list[Stretch]:
    """The whole; a part between two minutes; from within folded minutes to within an open pane; and open panes alone."""
    third, edge = (high - low) // 3 // MINUTE_MS * MINUTE_MS, folded(oracles)
    parts = [(low + third, high - third), (edge - 170_001, edge + 34_567), (edge + 12_345, edge + 71_234)]
    return [(low, high), *(part for part in parts if low <= part[0])]


def differences(site: Site, serve: Process, oracles: Oracles, spans: Spans, whole: Stretch) -> list[str]:
    """The whole is asked for by every dimension, parts of it as totals and by one dimension of each figure."""
    where = f"{serve.directory.name} API"
    listed = {one["name"]: sorted(one["dimensions"]) for one in site.ask(serve, "/api/v1/catalogue")["figures"]}
    lines = unequal(f"{where} catalogue", {name: sorted(dimensions) for name, dimensions in FIGURES.items()}, listed)
    for number, stretch in enumerate(stretches(oracles, *whole)):
        questions = [
            (figure, by)
            for figure, dimensions in FIGURES.items()
            if figure not in NOW
            for by in ("all", *(site.rng.sample(dimensions, 1) if number else dimensions))
        ]
        cells, answered = spans(*stretch)
        wanted = _flat(readings.of_span(cells, (answered[1] - answered[0]) / 1000), set(questions))
        possible = [(figure, by) for figure, by in questions if by in ("all", *listed.get(figure, ())) and figure in listed]
        lines += unequal(f"{where} {stretch}", wanted | {"stretch": answered}, _found(site, serve, stretch, possible))
    return lines + _waiting_differences(site, serve, oracles, where)


def _flat(said: readings.Said, questions: set[tuple[str, str]]) -> Numbers:
    """(figure, statistic, *series, labels, what of it) → number, of what is asked for."""
    return {
        (*key, what): value
        for key, reading in said.items()
        if (key[0], key[4]) in questions
        for what, value in reading._asdict().items()
        if value is not None
    }


def _found(site: Site, serve: Process, stretch: Stretch, questions: Sequence[tuple[str, str]]) -> Numbers:
    """The same of the answers, and the one stretch that all of them say they are of."""
    found: dict[Any, Any] = {}
    for figure, by in questions:
        answer = site.ask(serve, "/api/v1/figures", **{"figure": figure, "from": stretch[0], "to": stretch[1], "by": by})
        answered = epoch_ms(answer["from"]), epoch_ms(answer["to"])
        found.setdefault("stretch", answered)
        if answered != found["stretch"]:
            found["stretch", figure] = answered
        for one in answer["readings"]:
            key = figure, one["statistic"], *one["series"].values(), tuple(one["labels"].values())
            found |= {(*key, what): one[what] for what in readings.Reading._fields if one[what] is not None}
    return found


# -- now


def waiting(oracles: Oracles, at_ms: int) -> dict[Any, float]:
    """(figure of now, *series) → how many wait, and for how long the first of them has: 0 for each known series in which nobody
    does."""
    contacts = [oracle for (family, _), oracle in oracles.items() if family == "contact"]
    count: dict[Any, float] = dict.fromkeys((series for oracle in contacts for series in oracle.names.known), 0)
    since = dict.fromkeys(count, at_ms)
    for oracle in contacts:
        for series, (n, first) in oracle.contacts.live(oracle.names).items():
            count[series] += n
            since[series] = min(since[series], first)
    waits = {series: (at_ms - first) / 1000 for series, first in since.items()}
    return {(figure, *series): of[series] for figure, of in zip(NOW, (count, waits), strict=True) for series in of}


def _waiting_differences(site: Site, serve: Process, oracles: Oracles, where: str) -> list[str]:
    lines = []
    for figure in NOW:
        for by in ("all", *FIGURES[figure]):
            answer = site.ask(serve, "/api/v1/figures", figure=figure, by=by)
            wanted = {
                key: n for key, n in waiting(oracles, epoch_ms(answer["at"])).items() if key[0] == figure and key[3] == by
            }
            found = {(figure, *reading["series"].values()): reading["value"] for reading in answer["readings"]}
            lines += unequal(where, wanted, found)
    return lines


def instant(site: Site, serve: Process) -> int:
    """Of the snapshot that is shown."""
    return epoch_ms(site.ask(serve, "/api/v1/figures", figure="page_views")["at"])


def epoch_ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)
