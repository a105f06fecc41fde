"""The memory of a process that makes thousands of short-lived objects and large arrays a second, and few cycles."""

import ctypes
import gc

THRESHOLDS = 100_000, 50, 100
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)
_KEPT_BYTES, _LARGEST_IN_HEAP = 64 << 20, 32 << 20


def settle() -> None:
    """Takes what start-up made out of the collector's sight, and lets it look less often: what a batch makes is freed by
    its counts, and each look at it would be in vain."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    keep_freed_memory()


def keep_freed_memory() -> None:
    """Lets glibc keep what a batch frees for the next one. It would give it back to the system and ask for it again, and
    each first touch of a page costs more than what is computed on it: 0.3 µs an event of the 2.6 that applying takes."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:  # other C libraries have none
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_IN_HEAP)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)
