"""Ends a worker that can no longer do its work: a supervisor starts it again, and nothing is lost by it."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from streams.kafka.exit_codes import ExitCode
from streams.kafka.settings import KafkaSettings

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
    waiting: bool  # records wait to be applied, or nobody can tell
    progress: int  # batches applied so far
    store_healthy: bool


@dataclass(frozen=True, slots=True)
class Limit:
    """How long something may stay wrong, and whether it is excused while no broker answers."""

    seconds: float
    says: str
    excused: bool = True


LIMITS = {
    ExitCode.LOOP_BLOCKED: Limit(60, "the event loop stands still", excused=False),
    ExitCode.NO_ASSIGNMENT: Limit(
        120, "the consumer group gives no answer although a broker does (are its advertised.listeners reachable?)"
    ),
    ExitCode.FLOW_STOPPED: Limit(120, "a rebalance does not come to its end"),
    ExitCode.NO_PROGRESS: Limit(120, "records wait, nothing is applied, and the store is well"),
}


class Watch:
    """Decides from one look after another; time is passed in."""

    def __init__(self, broker_answers: Callable[[], bool]) -> None:
        self._broker_answers = broker_answers
        self._last: Vitals | None = None
        self._since: dict[ExitCode, float] = {}

    def look(self, now: float, vitals: Vitals) -> ExitCode | None:
        """The reason to end, once something has been wrong for longer than its limit at every look."""
        last, self._last = self._last or vitals, vitals
        stuck = vitals.waiting and vitals.progress == last.progress
        wrong = {
            ExitCode.LOOP_BLOCKED: vitals.turns == last.turns,
            ExitCode.NO_ASSIGNMENT: not vitals.joined,
            ExitCode.FLOW_STOPPED: vitals.joined and not vitals.flowing,
            ExitCode.NO_PROGRESS: stuck and vitals.flowing and vitals.store_healthy,
        }
        self._since = {code: self._since.get(code, now) for code, is_wrong in wrong.items() if is_wrong}
        return next((code for code, since in self._since.items() if self._too_long(code, since, now)), None)

    def _too_long(self, code: ExitCode, since: float, now: float) -> bool:
        if now - since <= LIMITS[code].seconds:
            return False
        if LIMITS[code].excused and not self._broker_answers():
            self._since[code] = now
            return False
        return True


class Watchdog:
    """A plain thread, so that a blocked event loop cannot block it too."""

    def __init__(self, look: Callable[[], Vitals], broker_answers: Callable[[], bool], exit_process: Exit) -> None:
        self._look = look
        self._watch = Watch(broker_answers)
        self._exit = exit_process
        self._over = threading.Event()

    def start(self) -> None:
        threading.Thread(target=self._run, name="watchdog", daemon=True).start()

    def stop(self) -> None:
        self._over.set()

    def _run(self) -> None:
        while not self._over.wait(PERIOD_SECONDS):
            code = self._watch.look(time.monotonic(), self._look())
            if code is not None:
                _end(code, LIMITS[code].says, self._exit)
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
        host, _, port = server.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except OSError:
            continue
        return True
    return False


def _end(code: ExitCode, text: str, exit_process: Exit) -> None:
    log.critical("%s: ending with exit code %d (%s)", text, code, code.name)
    exit_process(code)
