"""What goes wrong in a day, and how much of it at a given second. A day of the demo takes four minutes."""

from dataclasses import dataclass
from math import pi, sin

DAY_SECONDS = 240


@dataclass(frozen=True, slots=True)
class Incident:
    """Begins, grows to its peak, holds, fades and ends: seconds of the day."""

    begins: float
    peaks: float
    fades: float
    ends: float

    def strength(self, second: float) -> float:
        """0 when it is not there, 1 at its peak. There are none before second 0: that is the quiet past."""
        if second < 0:
            return 0.0
        now = second % DAY_SECONDS
        rising = (now - self.begins) / (self.peaks - self.begins)
        falling = (self.ends - now) / (self.ends - self.fades)
        return max(0.0, min(1.0, rising, falling))


RELEASE = Incident(begins=15, peaks=25, fades=50, ends=60)  # shop 5.3.0 is slow and crashes, on tablets only
LINK = Incident(begins=35, peaks=42, fades=65, ends=72)  # the shop's front page links to a sale that is not there
QUEUE = Incident(begins=36, peaks=47, fades=62, ends=70)  # the shop's support cannot keep up


def traffic(second: float) -> float:
    """How busy a moment of the day is, around 1: night is quiet, the evening is not."""
    return 1 + 0.3 * sin(2 * pi * second / DAY_SECONDS)
