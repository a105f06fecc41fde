"""Tables, for a terminal and for a page alike."""

from collections.abc import Sequence
from dataclasses import dataclass


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The first column to the left, the others to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        return f"| {' | '.join((first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)))} |"

    rule = [":".ljust(widths[0], "-"), *(":".rjust(width, "-") for width in widths[1:])]
    return "\n".join(map(line, (head, rule, *rows)))


@dataclass(frozen=True, slots=True)
class Target:
    """What was asked for, and what was measured: a number with its bound."""

    what: str
    measured: float
    bound: float
    unit: str = ""
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def row(self) -> list[str]:
        sign, digits = "≥" if self.at_least else "≤", ".3g" if self.measured < 100 else ",.0f"
        return [
            self.what,
            f"{self.measured:{digits}}{self.unit}",
            f"{sign} {self.bound:g}{self.unit}",
            "yes" if self.met else "no",
        ]


TARGET_HEAD = ("", "measured", "target", "met")
