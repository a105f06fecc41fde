"""Ends a worker that can no longer do its work: a supervisor starts it again, and nothing is lost by it."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from streams.kafka.exit_codes import ExitCode
from streams.kafka.settings import KafkaSettings, address
from streams.state.keys import PartitionId

log = logging.getLogger(__name__)

Exit = Callable[[int], None]
PERIOD_SECONDS = 1.0
CONNECT_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Vitals:
    """What is looked at each second."""

    turns: int  # of the event loop
    joined: bool  # the group has answered at least once
    flowing: bool  # no rebalance is under way
    waiting: Mapping[PartitionId, int]  # where records wait, or nobody can tell: a count that grows while it goes on
    store_healthy: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """How long something may stay wrong, and whether it is excused while no broker answers."""

    seconds: float
    says: str
    excused: bool = True
    sessions: int = 0  # so many session timeouts, where they are longer


REBALANCES = 2  # of which a broker may let each last for most of a session: it waits for workers that are dead
LIMITS = {
    ExitCode.LOOP_BLOCKED: Limit(60, "the event loop stands still", excused=False),
    ExitCode.NO_ASSIGNMENT: Limit(
        120,
        "the consumer group gives no answer although a broker does (are its advertised.listeners reachable?)",
        sessions=REBALANCES,
    ),
    ExitCode.FLOW_STOPPED: Limit(120, "a rebalance does not come to its end", sessions=REBALANCES),
    ExitCode.NO_PROGRESS: Limit(120, "records wait, nothing is applied, and the store is well"),
}
Wrong = tuple[ExitCode, PartitionId | None]


class Watch:
    """Decides from one look after another; time is passed in."""

    def __init__(self, broker_answers: Callable[[], bool], session_seconds: float) -> None:
        self._broker_answers = broker_answers
        self._session_seconds = session_seconds
        self._last: Vitals | None = None
        self._since: dict[Wrong, float] = {}

    def look(self, now: float, vitals: Vitals) -> Wrong | None:
        """The reason to end, once something has been wrong for longer than its limit at every look."""
        last, self._last = self._last or vitals, vitals
        wrong: dict[Wrong, bool] = {
            (ExitCode.LOOP_BLOCKED, None): vitals.turns == last.turns,
            (ExitCode.NO_ASSIGNMENT, None): not vitals.joined,
            (ExitCode.FLOW_STOPPED, None): vitals.joined and not vitals.flowing,
        }
        if vitals.flowing and vitals.store_healthy:
            wrong |= {(ExitCode.NO_PROGRESS, which): last.waiting.get(which) == n for which, n in vitals.waiting.items()}
        self._since = {what: self._since.get(what, now) for what, is_wrong in wrong.items() if is_wrong}
        return next((what for what, since in self._since.items() if self._too_long(what, since, now)), None)

    def _too_long(self, what: Wrong, since: float, now: float) -> bool:
        limit = LIMITS[what[0]]
        if now - since <= max(limit.seconds, limit.sessions * self._session_seconds):
            return False
        if limit.excused and not self._broker_answers():
            self._since[what] = now
            return False
        return True


class Watchdog:
    """A plain thread, so that a blocked event loop cannot block it too."""

    def __init__(self, look: Callable[[], Vitals], settings: KafkaSettings, exit_process: Exit) -> None:
        self._look = look
        self._watch = Watch(lambda: broker_answers(settings), settings.session_timeout_seconds)
        self._exit = exit_process
        self._over = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(PERIOD_SECONDS):
            wrong = self._watch.look(time.monotonic(), self._look())
            if wrong:
                code, which = wrong
                _end(code, f"{which}: {LIMITS[code].says}" if which else LIMITS[code].says, self._exit)
                return


def end_within(seconds: float, exit_process: Exit = os._exit) -> Callable[[], None]:
    """Let this process, whatever it does, be over in so many seconds, unless what is returned is called before."""
    released = threading.Event()

    def wait() -> None:
        if not released.wait(seconds):
            _end(ExitCode.STOP_TIMEOUT, f"the stop took longer than {seconds:g} s", exit_process)

    threading.Thread(target=wait, name="deadline", daemon=True).start()
    return released.set


def broker_answers(settings: KafkaSettings) -> bool:
    """Whether any bootstrap server takes a connection."""
    for server in settings.servers:
        try:
            socket.create_connection(address(server), CONNECT_SECONDS).close()
        except OSError:
            continue
        return True
    return False


def _end(code: ExitCode, text: str, exit_process: Exit) -> None:
    log.critical("%s: ending with exit code %d (%s)", text, code, code.name)
    exit_process(code)
