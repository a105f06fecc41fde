"""What is measured. A part is a module: `lines` (what was measured, as it comes), and of them `table` and `targets`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

from benchmarks import growth, latency, memory, moves, pauses, serving, speed, stages
from benchmarks.arena import Arena, Line, Scale
from benchmarks.markdown import Target


class Part(Protocol):
    def lines(self, arena: Arena, scale: Scale) -> Iterator[Line]: ...
    def table(self, found: Sequence[Line]) -> str: ...
    def targets(self, found: Sequence[Line]) -> Iterator[Target]: ...


PARTS: Mapping[str, Part] = {
    "speed": speed,
    "latency": latency,
    "stages": stages,
    "growth": growth,
    "pauses": pauses,
    "memory": memory,
    "serving": serving,
    "moves": moves,
}
