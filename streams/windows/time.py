"""Event time: panes, minutes and when they close. All instants are epoch milliseconds, all functions pure and vectorised."""

import numpy as np

Array = np.ndarray
PANE_MS = 10_000
MINUTE_MS = 60_000
HOUR_MS = 3_600_000
MINUTES_KEPT_MS = 75 * MINUTE_MS  # folded minutes, for windows of an hour
NEVER = -(1 << 62)  # the watermark before the first record


def floor_ms(at: int, step: int) -> int:
    """The last multiple of `step` that is not after `at`."""
    return at // step * step


def watermarks(before: int, times: Array) -> Array:
    """int64[n] event times → int64[n]: the greatest event time *before* each record; `before` is that of earlier batches."""
    return np.maximum.accumulate(np.concatenate(([before], times[:-1])))


def closed_until(watermark: Array, lateness_ms: int) -> Array:
    """Panes that end at or before this instant are closed."""
    return (watermark - lateness_ms) // PANE_MS * PANE_MS


def runs(values: Array) -> list[tuple[int, int]]:
    """(start, end) of each run of equal neighbours."""
    cuts = np.flatnonzero(np.diff(values)) + 1
    return list(zip([0, *cuts.tolist()], [*cuts.tolist(), values.size], strict=True)) if values.size else []


def distinct(times: Array) -> list[int]:
    """int64[n], ascending. As a rule there is only one."""
    return (times[:1] if (times == times[:1]).all() else np.unique(times)).tolist()  # type: ignore[no-any-return]
