"""A rule: policy only. What became of it is in `state.py`."""

from dataclasses import dataclass

from alerts.conditions.condition import Condition
from alerts.conditions.stalled import Stalled
from alerts.selection import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What is watched, when it is bad, how long it must be so, and who looks after it."""

    name: str
    summary: str  # as a noun: "crash-free sessions"
    selection: Selection
    condition: Condition
    unit: str = ""
    for_ms: int = 0
    keep_firing_ms: int = 0
    owner: str = ""
    runbook: str = ""
    enabled: bool = True


# While it fires, nothing new is told of rules on figures: they are behind, and one page is enough.
PIPELINE_STALLED = Rule(
    name="PipelineStalled",
    summary="figures are incomplete",
    selection=Selection(figure="problems", window="1m"),
    condition=Stalled(),
    for_ms=60_000,
    keep_firing_ms=30_000,
    runbook="docs/runbooks/pipeline-stalled.md",
)
