"""Lines of an exposition. What stands before a value is written once: told again, a sample costs no more than its number."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from streams.reading.figures import Labels, Series

Place = tuple[str, Series | None, Labels]
"""What tells a sample from all others: its name, the series that it is of, and further labels."""
_MOST = 2  # times as many places are remembered as are told


@dataclass(slots=True)
class Family:
    """Samples under one help and type."""

    name: str
    help: str
    kind: str
    samples: list[tuple[Place, float]] = field(default_factory=list)


class Lines:
    """The text of families as `write` writes it: a head each, a line each sample, an end. `number` is how it writes a value."""

    def __init__(self, write: Callable[[Sequence[Family]], str], number: Callable[[float], str]) -> None:
        self._write, self._number = write, number
        self._zero, self._end = number(0.0), write(())
        self._heads: dict[str, str] = {}
        self._begun: dict[Place, str] = {}  # what stands before the value

    def text(self, families: Iterable[Family]) -> str:
        """The same text as `write` gives."""
        begun, parts, told = self._begun, [], 0
        for family in families:
            try:
                lines = self._lines(family, begun)
            except KeyError:
                self._learn(family, begun)
                lines = self._lines(family, begun)
            parts += lines
            told += len(family.samples)
        if len(begun) > _MOST * told:
            self._begun = {}
        return "".join(parts) + self._end

    def _lines(self, family: Family, begun: dict[Place, str]) -> list[str]:
        number = self._number
        return [self._heads[family.name], *(f"{begun[place]}{number(value)}\n" for place, value in family.samples)]

    def _learn(self, family: Family, begun: dict[Place, str]) -> None:
        new = [place for place, _ in family.samples if place not in begun]
        text = self._write([Family(family.name, family.help, family.kind, [(place, 0.0) for place in new])])
        lines = text.removesuffix(self._end).split("\n")[:-1]  # not `splitlines`: a label may hold what it takes for an end
        head = lines[: len(lines) - len(new)]
        self._heads[family.name] = "".join(f"{line}\n" for line in head)
        begun |= zip(new, (line.removesuffix(self._zero) for line in lines[len(head) :]), strict=True)
