"""`make faults`: the long forms of the simulator and of the scenarios; then seeds of real faults, some of which meet, and a
table of how long everything took to recover. Fails when any of it does.

Each seed has its own Kafka and Redis, and all faults in an order of its own, pairs in between. Settings from the environment:

XMON_SIMULATOR_SEEDS=5000
XMON_SCENARIOS_LONG=1             0: no scenario in its long form
XMON_SCENARIOS_SEEDS=20           of each scenario in its short form
XMON_FAULTS_SEEDS=20              of real faults
XMON_FAULTS_FIRST_SEED=1
XMON_FAULTS_AT_ONCE=3
XMON_FAULTS_EVENTS=300000         published by each seed
XMON_FAULTS_ONLY="redis cut"      these alone, separated by commas; pairs with a + between; neither simulator nor scenarios
XMON_FAULTS_PAIRS=4               that meet, in each seed: half of them strike workers alone
XMON_FAULTS_AWAY_SECONDS=180      the long outage of Kafka
XMON_FAULTS_FROZEN_SECONDS=40     Redis

What was measured is in .cache/faults/recoveries.jsonl; the logs of a seed that failed stay in .cache/faults/seed-<n>/.
"""

import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from tests.faults.faults import Recovery
from tests.faults.long_form import CACHE, Outcome, number, run


def table(outcomes: Sequence[Outcome]) -> str:
    """Fault, how often, median and worst seconds until all was stored, and until all was shown."""
    found: dict[str, list[Recovery]] = defaultdict(list)
    for outcome in outcomes:
        for recovery in outcome.recoveries:
            found["two at once" if "+" in recovery.fault else recovery.fault].append(recovery)
    lines = [f"{'':<20}{'times':>6}{'lasted':>10}{'stored':>10}{'worst':>10}{'shown':>10}{'worst':>10}"]
    for fault, all_of_it in sorted(found.items()):
        columns = [[getattr(one, name) for one in all_of_it] for name in ("lasted", "stored", "shown")]
        lasted, stored, shown = columns
        seconds = (statistics.median(lasted), statistics.median(stored), max(stored), statistics.median(shown), max(shown))
        lines.append(f"{fault:<20}{len(all_of_it):>6}" + "".join(f"{value:>8.1f} s" for value in seconds))
    return "\n".join(lines)


def long_forms() -> bool:
    """Whether simulator, mutants and scenarios pass; each is tried, also after one that does not."""
    simulated, seeds = os.environ.get("XMON_SIMULATOR_SEEDS", "5000"), os.environ.get("XMON_SCENARIOS_SEEDS", "20")
    passed = [
        _passes("test_simulator.py", SIMULATOR_SEEDS=simulated),
        _passes("test_mutants.py"),
        os.environ.get("XMON_SCENARIOS_LONG") == "0"
        or _passes("test_real_scenarios.py", SCENARIOS_LONG="1", SCENARIOS_SEEDS="1"),
        _passes("test_real_scenarios.py", "-n", str(number("AT_ONCE", 3)), SCENARIOS_LONG="0", SCENARIOS_SEEDS=seeds),
    ]
    return all(passed)


def _passes(name: str, *options: str, **settings: str) -> bool:
    command = [sys.executable, "-m", "pytest", *options, str(Path(__file__).with_name(name))]
    named = {f"XMON_{setting}": value for setting, value in settings.items()}
    return subprocess.run(command, env={**os.environ, "REQUIRE_REAL": "1", **named}, check=False).returncode == 0


def main() -> int:
    CACHE.mkdir(parents=True, exist_ok=True)
    passed = "XMON_FAULTS_ONLY" in os.environ or long_forms()
    first, began, outcomes = number("FIRST_SEED", 1), time.monotonic(), []
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(number("AT_ONCE", 3), context, max_tasks_per_child=1) as pool,
        (CACHE / "recoveries.jsonl").open("w") as measured,
    ):
        for done in as_completed([pool.submit(run, seed) for seed in range(first, first + number("SEEDS", 20))]):
            outcomes.append(done.result())
            for recovery in outcomes[-1].recoveries:
                measured.write(json.dumps({"seed": outcomes[-1].seed, **asdict(recovery)}) + "\n")
            measured.flush()
        failed = sorted(outcome.seed for outcome in outcomes if outcome.differences)
        whole = {
            "date": datetime.now(UTC).date().isoformat(),
            "seeds": len(outcomes),
            "differed": failed,
            "every_fault": "XMON_FAULTS_ONLY" not in os.environ,
            "long_forms_passed": passed,
            "events": number("EVENTS", 300_000),
            "at_once": number("AT_ONCE", 3),
            "cores": os.cpu_count(),
            "minutes": (time.monotonic() - began) / 60,
        }
        measured.write(json.dumps(whole) + "\n")
    sys.stdout.write(f"\n{table(outcomes)}\n\n{len(outcomes)} seeds in {whole['minutes']:.0f} min; ")
    sys.stdout.write(f"seeds with differences: {failed}\n" if failed else "nothing differs\n")
    sys.stdout.write("" if passed else "simulator or scenarios failed: see above\n")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
