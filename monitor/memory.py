"""The garbage collector of a process that makes many short-lived objects and few cycles."""

import gc

THRESHOLDS = 100_000, 50, 100


def settle() -> None:
    """Takes what start-up made out of the collector's sight, and lets it look less often: a batch is thousands of
    dictionaries that are freed by their counts, and each look at them would be in vain."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
