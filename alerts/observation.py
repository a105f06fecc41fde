"""What a condition says of one series at one moment."""

from dataclasses import dataclass
from enum import StrEnum

from streams.reading.figures import Reading


class Severity(StrEnum):
    """How bad: a warning can wait for the morning, a critical one cannot."""

    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Observation:
    """One series judged. What is neither bad nor clear lies between the limit and the point of return."""

    reading: Reading | None  # None: the series is absent
    severity: Severity | None  # the limit it is beyond; None: beyond none
    limit: float | None  # the limit it is measured against
    enough: bool  # samples enough to say anything
    complete: bool  # every partition up to date
    clear: bool  # on the good side of the point of return
    note: str = ""  # what the number does not say


def absent(*, complete: bool) -> Observation:
    """What is known of a series that the snapshot does not hold."""
    return Observation(None, severity=None, limit=None, enough=False, complete=complete, clear=False)
