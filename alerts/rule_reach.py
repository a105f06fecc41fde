"""Rules without a mistake that can never fire, because what is bad is never judged."""

from collections.abc import Iterator
from math import inf

import numpy as np

from alerts.conditions.threshold import Below
from alerts.growth import Own
from alerts.rule import Rule
from alerts.rule_problems import Problem
from alerts.selection import Figure, Selection
from streams.metrics.formulas import poisson
from streams.metrics.stored import Counter
from streams.reading.snapshot import WINDOWS
from streams.windows.time import MINUTE_MS


def out_of_reach(rule: Rule, figure: Figure) -> Iterator[Problem]:
    """Why it never fires, where that is certain whatever will be counted."""
    condition, fewest = rule.condition, rule.selection.min_n
    if figure.kind == "live" and not isinstance(figure, Own) and fewest > 1:
        yield Problem(("min_n",), f"this never fires: `{figure.name}` is one sample. Remove `min_n`")
    elif isinstance(condition, Below) and condition.mildest <= (least := _least(figure, rule.selection)):
        yield Problem(
            ("below",),
            f"this never fires: below {fewest} samples (`min_n`) nothing is judged, and {fewest} may stand for {least:.3g}. "
            "Raise the limit or lower `min_n`; that nothing comes at all is told by `figure: records`, `below: {critical: 1}`",
        )


def _least(figure: Figure, selection: Selection) -> float:
    """What the fewest samples that are judged reach in a figure that is their number; of others it may be anything."""
    fewest = selection.min_n
    if figure.kind == "counter":
        summed = isinstance(figure, Counter) and figure.weight is not None  # has no interval
        high = fewest if summed else float(poisson(np.array(fewest))[1])
        longest_ms = WINDOWS[selection.window] + MINUTE_MS  # it reaches back to a whole minute
        return high if selection.statistic == "count" else high / longest_ms * 1000
    if isinstance(figure, Own) and fewest == 1:
        return -inf  # that nothing was added is judged as well
    return fewest if isinstance(figure, Own) or figure.kind == "uniques" else -inf
