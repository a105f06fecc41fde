"""Pictures of what was measured, as small SVG files that are the same for the same figures."""

import statistics
from collections.abc import Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from benchmarks.arena import Line
from benchmarks.growth import AXES, COLUMNS, middle
from benchmarks.speed import OURS, finished

STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "experience-monitor",
    "font.size": 8,
    "font.family": "sans-serif",
    "axes.spines.top": False,
    "axes.spines.right": False,
}
OURS_COLOUR, COLOUR = "#0b6e4f", "#9aa5b1"
SHOWN = ("cpu_us", "rate", "checkpoint_kib", "redis_mib")


def speed(found: Sequence[Line]) -> Figure:
    """Rates and CPU time of all contestants, medians of the rounds."""
    names = [name for name in dict.fromkeys(line["name"] for line in found) if finished(found, name)][::-1]
    figure = Figure(figsize=(8, 0.28 * len(names) + 0.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, what, title in zip(panels, ("rate", "cpu_us"), ("events/s", "CPU µs/event"), strict=True):
        values = [statistics.median(line[what] for line in finished(found, name)) for name in names]
        bars = panel.barh(names, values, color=[OURS_COLOUR if name == OURS else COLOUR for name in names])
        panel.bar_label(bars, [f"{value:,.0f}" if value > 100 else f"{value:.1f}" for value in values], padding=3)
        panel.set_xscale("log")
        panel.set_xlim(right=5 * max(values))
        panel.set_title(f"{title} (logarithmic)", loc="left")
        panel.xaxis.set_visible(False)
        panel.spines["bottom"].set_visible(False)
    return figure


def growth(found: Sequence[Line]) -> Figure:
    """What grows with what: a row for each thing that grows."""
    measured = middle(found)
    axes = {title: known for title, points in AXES.items() if len(known := _known(points, measured)) > 1}
    figure = Figure(figsize=(9, 1.4 * max(len(axes), 1)), layout="constrained")
    panels = figure.subplots(max(len(axes), 1), len(SHOWN), squeeze=False)
    for (title, points), row in zip(axes.items(), panels, strict=False):
        for what, panel in zip(SHOWN, row, strict=True):
            sizes, values = [x for x, _ in points], [found[what] for _, found in points]  # nan: not seen, and left out
            panel.plot(sizes, values, marker="o", markersize=4, color=OURS_COLOUR)
            panel.set_ylim(0, 1.15 * max((value for value in values if not isnan(value)), default=1))
            panel.locator_params(axis="y", nbins=3)
            panel.set_xscale("log")
            panel.set_xticks(sizes, [f"{x:,}" for x in sizes])
            panel.set_xticks([], minor=True)
            panel.set_xlabel(title)
    for what, panel in zip(SHOWN, panels[0], strict=True):
        panel.set_title(COLUMNS[what][0], loc="left")
    return figure


def _known(points: Mapping[int, str], measured: Mapping[str, Any]) -> list[tuple[int, Any]]:
    return [(x, measured[name]) for x, name in points.items() if name in measured]


def draw(found: Mapping[str, Sequence[Line]], folder: Path) -> None:
    """All pictures of which something was measured; the same figures give the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context(STYLE):
        for name, make in {"speed": speed, "growth": growth}.items():
            if found.get(name):
                make(found[name]).savefig(folder / f"{name}.svg", format="svg", metadata={"Date": None})
