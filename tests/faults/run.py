"""One run: events keep coming, faults happen, and at the end everything is compared."""

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streams.kafka.exit_codes import ExitCode
from tests.faults.comparison import differences
from tests.faults.faults import FAULTS, Lengths, Recovery, inflict
from tests.faults.publishing import Publishing, story
from tests.faults.site import Site
from tests.faults.watcher import Watcher

BROKEN = (1, ExitCode.PIPELINE_FAILED, ExitCode.STATE_REFUSED)  # no fault is a reason for these
Faults = tuple[str, ...]  # at the same time


@dataclass(frozen=True, slots=True)
class Plan:
    """`seconds` about as long as the faults take; `minutes` of the story's own time."""

    faults: Sequence[Faults]
    events: int
    seconds: float
    minutes: int = 12
    pause_seconds: float = 1.5
    lengths: Lengths = field(default_factory=Lengths)


def every_fault(rng: random.Random, pairs: int) -> list[Faults]:
    """Each alone, in any order; then pairs that strike different things."""
    alone: list[Faults] = [(name,) for name in rng.sample(list(FAULTS), len(FAULTS))]
    possible = [(one, two) for one in FAULTS for two in FAULTS if FAULTS[one].target < FAULTS[two].target]
    return alone + rng.sample(possible, pairs)


def survive(
    site: Site, seed: int, plan: Plan, tell: Callable[[str], None], measured: Callable[[Recovery], None] = lambda _: None
) -> list[str]:
    """All that differs at the end."""
    events, start, until = story(seed, plan.events, minutes=plan.minutes, wrong_clocks=0.1)
    with Watcher(site.serves) as watcher:
        with Publishing(site, events, plan.events, plan.seconds, in_transactions=0.25) as publishing:
            for faults in plan.faults:
                time.sleep(site.rng.uniform(0, plan.pause_seconds))
                site.settle()
                recovery = inflict(site, faults, plan.lengths if len(faults) == 1 else Lengths())
                measured(recovery)
                tell(f"{recovery}; {publishing.sent} events so far")
        transactions = publishing.transactions
        tell(f"all {publishing.sent} events published, {transactions.committed} transactions, {transactions.aborted} aborted")
        site.catch_up()
        published = range(publishing.sent, publishing.sent + transactions.unsure + 1)
        found = differences(site, start, until, published)
    tell(f"{watcher.scrapes} scrapes; exit codes of workers that ended by themselves: {dict(site.ended)}")
    broken = [f"{n} times a worker ended with exit code {code}" for code, n in site.ended.items() if code in BROKEN]
    return found + watcher.differences + broken
