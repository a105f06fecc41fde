"""One run: events keep coming, faults happen, and at the end everything is compared."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from tests.faults.comparison import differences
from tests.faults.faults import FAULTS, Lengths, Recovery, inflict, least_seconds
from tests.faults.publishing import Publishing, story
from tests.faults.site import Site
from tests.faults.watcher import Watcher

FIRST_EVENTS, FIRST_SECONDS = 3000, 3.0  # that are there before anything happens
SETTLED = 0.5  # of the strikes meet a group at rest
SECONDS_EACH = 12.0  # about, of a pause and a fault with its recovery; some last longer by themselves
STEADY = 4  # faults: one or two must not make all look slow
Faults = tuple[str, ...]  # that meet


@dataclass(frozen=True, slots=True)
class Plan:
    """`minutes` of the story's own time."""

    faults: Sequence[Faults]
    events: int
    minutes: int = 12
    pause_seconds: float = 1.5
    lengths: Lengths = field(default_factory=Lengths)

    def of(self, faults: Faults) -> Lengths:
        """Those that meet are short."""
        return self.lengths if len(faults) == 1 else Lengths()


def every_fault(rng: random.Random, pairs: int) -> list[Faults]:
    """Each alone and, in between, pairs that strike different things or several workers; in any order."""
    alone: list[Faults] = [(name,) for name in FAULTS]
    targets = {name: fault.target for name, fault in FAULTS.items()}
    different = [(one, two) for one in FAULTS for two in FAULTS if targets[one] < targets[two]]
    workers = [(one, two) for one in FAULTS for two in FAULTS if targets[one] == targets[two] == "worker"]
    chosen = rng.sample(different, pairs - pairs // 2) + rng.sample(workers, pairs // 2)
    return rng.sample(alone + chosen, len(alone) + pairs)


def survive(
    site: Site, seed: int, plan: Plan, tell: Callable[[str], None], measured: Callable[[Recovery], None] = lambda _: None
) -> list[str]:
    """All that differs at the end."""
    events, start, until = story(seed, plan.events, minutes=plan.minutes, wrong_clocks=0.1, repeated_late=0.5)
    without_reason, seen = list[str](), Counter[int]()
    with Watcher(site.serves) as watcher:
        soon = FIRST_SECONDS * plan.events / FIRST_EVENTS
        with Publishing(site, events, plan.events, soon, in_transactions=0.25) as publishing:
            publishing.reach(min(FIRST_EVENTS, plan.events // 2))
            for faults in paced(plan, publishing):
                time.sleep(site.rng.uniform(0, plan.pause_seconds))
                if site.rng.random() < SETTLED:
                    site.settle()
                recovery = inflict(site, faults, plan.of(faults))
                measured(recovery)
                tell(f"{recovery}; {publishing.sent} events so far")
                site.revive()
                without_reason += unexplained(faults, site.ended - seen)
                seen = site.ended.copy()
        transactions = publishing.transactions
        tell(f"all {publishing.sent} events published, {transactions.committed} transactions, {transactions.aborted} aborted")
        site.catch_up()
        published = range(publishing.sent, publishing.sent + transactions.unsure + 1)
        until = max(until, int(time.time() * 1000)) if site.stamped else until
        found = differences(site, start, until, published)
    tell(f"{watcher.scrapes} scrapes; exit codes of workers that ended by themselves: {dict(site.ended)}")
    return found + watcher.differences + without_reason + unexplained((), site.ended - seen)


def paced(plan: Plan, publishing: Publishing) -> Iterator[Faults]:
    """The faults; what is left to publish is spread over those that are left, each as slow as those before were."""
    least = [least_seconds(faults, plan.of(faults)) for faults in plan.faults]
    began = time.monotonic()
    for n, faults in enumerate(plan.faults):
        took = time.monotonic() - began - sum(least[:n])
        each = max(took + STEADY * SECONDS_EACH, SECONDS_EACH) / (n + STEADY)
        seconds = [each + those for those in least[n:]]
        publishing.spread(seconds[0], seconds[0] / sum(seconds))
        yield faults


def unexplained(faults: Faults, ended: Counter[int]) -> list[str]:
    """Workers that ended by themselves with an exit code that none of these faults is a reason for."""
    reasons = {code for name in faults for code in FAULTS[name].explains}
    when = " + ".join(faults) or "at the end"
    return [f"{when}: {n} times a worker ended with exit code {code}" for code, n in ended.items() if code not in reasons]
