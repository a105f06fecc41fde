"""When a worker is ended, as a table of looks; no broker, no clock."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from streams.kafka.exit_codes import ExitCode
from streams.kafka.watchdog import LIMITS, Vitals, Watch, end_within
from streams.state.keys import PartitionId

ONE, OTHER = PartitionId("a", 0), PartitionId("a", 1)
WELL = Vitals(turns=0, joined=True, flowing=True, waiting={}, store_healthy=True)
WRONG = {
    ExitCode.LOOP_BLOCKED: lambda second: replace(WELL),
    ExitCode.NO_ASSIGNMENT: lambda second: replace(WELL, turns=second, joined=False, flowing=False),
    ExitCode.FLOW_STOPPED: lambda second: replace(WELL, turns=second, flowing=False),
    ExitCode.NO_PROGRESS: lambda second: replace(WELL, turns=second, waiting={ONE: 7}),
}


def first_end(
    look: Callable[[int], Vitals], seconds: int, answers: bool = True, session_seconds: float = 10
) -> tuple[int, ExitCode] | None:
    watch = Watch(lambda: answers, session_seconds)
    for second in range(seconds):
        wrong = watch.look(second, look(second))
        if wrong:
            return second, wrong[0]
    return None


@pytest.mark.parametrize("code", WRONG)
def test_each_wrong_ends_the_worker_after_its_limit(code: ExitCode) -> None:
    """Not one look before, and with its own exit code."""
    assert first_end(WRONG[code], 1_000) == (int(LIMITS[code].seconds) + 1, code)


@pytest.mark.parametrize("code", WRONG)
def test_an_outage_of_kafka_excuses_all_but_a_blocked_loop(code: ExitCode) -> None:
    """While no broker answers a restart would not help."""
    assert (first_end(WRONG[code], 1_000, answers=False) is None) == (code is not ExitCode.LOOP_BLOCKED)


@pytest.mark.parametrize("code", WRONG)
def test_only_what_waits_for_other_workers_has_more_time_with_a_long_session(code: ExitCode) -> None:
    """While a broker rightly waits for a dead worker, the living ones must not end one after the other."""
    group = code in {ExitCode.NO_ASSIGNMENT, ExitCode.FLOW_STOPPED}
    assert first_end(WRONG[code], 1_000, session_seconds=300) == (601 if group else int(LIMITS[code].seconds) + 1, code)


def test_what_is_well_now_and_then_is_well() -> None:
    """One good look starts the time anew."""
    stutter = lambda second: replace(WELL, turns=second, flowing=second % 100 == 0)  # noqa: E731
    assert first_end(stutter, 1_000) is None


def test_no_progress_is_excused_while_the_store_is_away() -> None:
    """Back-pressure is what a worker is for."""
    away = lambda second: replace(WELL, turns=second, waiting={ONE: 7}, store_healthy=False)  # noqa: E731
    assert first_end(away, 1_000) is None


def test_one_partition_that_stands_still_is_not_hidden_by_others() -> None:
    """Records wait in both, and only one is applied; it is named."""
    watch, limit = Watch(lambda: True, 10), int(LIMITS[ExitCode.NO_PROGRESS].seconds)
    looks = [watch.look(second, replace(WELL, turns=second, waiting={ONE: second, OTHER: 7})) for second in range(limit + 2)]
    assert looks == [None] * (limit + 1) + [(ExitCode.NO_PROGRESS, OTHER)]


def test_a_partition_in_which_nothing_waited_meanwhile_has_its_time_anew() -> None:
    """Between two silences nothing was wrong."""
    quiet = lambda second: replace(WELL, turns=second, waiting={ONE: 7} if second % 100 else {})  # noqa: E731
    assert first_end(quiet, 1_000) is None


def test_a_deadline_ends_the_process_unless_released() -> None:
    """The one that is released stays silent."""
    ended, codes = threading.Event(), []

    def end(code: int) -> None:
        codes.append(code)
        ended.set()

    end_within(60, lambda code: pytest.fail(f"ended with {code}"))()
    end_within(0.01, end)
    assert ended.wait(10)
    assert codes == [ExitCode.STOP_TIMEOUT]
