"""What can be done to a running site, and how long it takes to recover."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass

from streams.kafka.exit_codes import ExitCode
from tests.faults.site import Site
from tests.services.proxy import Proxy

SESSION_TIMEOUT_SECONDS = 10.0  # of the consumer group
COMMAND_TIMEOUT_SECONDS = 5.0  # of a worker that asks Redis
GAPS_SECONDS = (0.0, 0.5, 3.0, None)  # from one to the next of those that meet; None: until it is over
MOST_CUT_BYTES = 3_000_000


@dataclass(frozen=True, slots=True)
class Lengths:
    """Seconds that those faults last whose length may be chosen."""

    redis_frozen: float = 5.0
    kafka_away: float = 15.0


@dataclass(frozen=True, slots=True)
class Fault:
    """`target`: two faults may happen at once where these differ, or where there are several of it. `explains`: with which exit
    codes a worker may end of it, by itself.
    """

    target: str
    strike: Callable[[Site, Lengths], None]
    explains: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from the beginning of a fault: until it ended, until all that the log then held was stored, until every `serve`
    had read that.
    """

    fault: str
    lasted: float
    stored: float
    shown: float

    def __str__(self) -> str:
        return f"{self.fault:<40} {self.lasted:6.1f} s, all stored after {self.stored:6.1f} s, shown after {self.shown:6.1f} s"


def least_seconds(names: Sequence[str], lengths: Lengths) -> float:
    """How long it takes on any machine."""
    long = {"redis frozen": lengths.redis_frozen, "kafka away": lengths.kafka_away, "worker frozen": SESSION_TIMEOUT_SECONDS}
    return max(long.get(name, 0) for name in names)


def inflict(site: Site, names: Sequence[str], lengths: Lengths) -> Recovery:
    """Does it, or several of it: at once, soon after one another, or the second when the first is just over and nothing has
    recovered. Then waits until all that the log then holds is stored and read.
    """
    began, strikes = time.monotonic(), list[Future[None]]()
    with ThreadPoolExecutor() as together:
        for name in names:
            wait(strikes, site.rng.choice(GAPS_SECONDS))
            strikes.append(together.submit(FAULTS[name].strike, site, lengths))
        for done in strikes:
            done.result()
    lasted, ends = time.monotonic() - began, site.ends()
    site.catch_up(ends)
    stored = time.monotonic() - began
    site.appear(ends)
    return Recovery(" + ".join(names), lasted, stored, time.monotonic() - began)


# -- workers


def kill_worker(site: Site, _: Lengths) -> None:
    """Another one comes in its place."""
    with site.victim() as worker:
        worker.kill9()
        time.sleep(site.rng.uniform(0, 1))
    site.revive()


def stop_worker(site: Site, _: Lengths) -> None:
    """SIGTERM, and another one in its place."""
    with site.victim() as worker:
        site.stop(worker)
    site.revive()


def join_worker(site: Site, _: Lengths) -> None:
    site.join()


def leave_worker(site: Site, _: Lengths) -> None:
    """SIGTERM, and the others must do; the last one is replaced."""
    with site.victim() as worker:
        if site.at_rest():
            site.workers.remove(worker)
        site.stop(worker)
    site.revive()


def freeze_worker(site: Site, _: Lengths) -> None:
    """Until another has written for it; then it goes on, and does not know. What it writes now must be refused."""
    with site.victim() as worker:
        if not site.at_rest():
            site.join()
        places = site.holding(worker)
        with stopped(worker.pid):
            time.sleep(SESSION_TIMEOUT_SECONDS / 2)  # what it had sent has arrived, and nobody can have taken over yet
            site.overtaken(places)


# -- Redis, and the wire between


def kill_redis(site: Site, _: Lengths) -> None:
    site.redis.kill9()
    time.sleep(site.rng.uniform(0, 1))
    site.redis.start()


def cut_redis(site: Site, _: Lengths) -> None:
    """kill -9, and the end of the append-only file is lost, as with the power: a few bytes or some seconds."""
    site.redis.kill9()
    file = site.redis.append_only_file()
    size = file.stat().st_size
    os.truncate(file, size - min(int(MOST_CUT_BYTES ** site.rng.random()), size // 2))
    site.redis.start()


def cut_redis_twice(site: Site, lengths: Lengths) -> None:
    """The second time while workers repeat what the first took."""
    cut_redis(site, lengths)
    time.sleep(site.rng.uniform(0, 3))
    cut_redis(site, lengths)


def freeze_redis(site: Site, lengths: Lengths) -> None:
    with stopped(site.redis.pid):
        time.sleep(lengths.redis_frozen * site.rng.uniform(0.7, 1.3))


def lose_replies(site: Site, _: Lengths) -> None:
    """Of the first commands and, when their clients have waited in vain, of those that repeat them."""
    _wire(site).lose_replies(COMMAND_TIMEOUT_SECONDS + site.rng.uniform(2, 7))


def delay_commands(site: Site, _: Lengths) -> None:
    """Commands arrive when their workers have given up, repeated them and gone on."""
    _wire(site).hold_commands(site.rng.uniform(0.5, 7))
    time.sleep(site.rng.uniform(0, 3))
    _wire(site).deliver(site.rng)


def _wire(site: Site) -> Proxy:
    assert site.wire, "workers reach Redis without a wire between"
    return site.wire


# -- Kafka


def kill_kafka(site: Site, _: Lengths) -> None:
    site.kafka.kill9()
    time.sleep(site.rng.uniform(0, 2))
    site.kafka.start()


def take_kafka_away(site: Site, lengths: Lengths) -> None:
    """SIGTERM, and the broker comes back much later."""
    site.kafka.stop()
    time.sleep(lengths.kafka_away)
    site.kafka.start()


# -- serve


def kill_serve(site: Site, _: Lengths) -> None:
    """kill -9; it comes back at the same address."""
    serve = site.rng.choice(site.serves)
    serve.kill9()
    time.sleep(site.rng.uniform(0, 1))
    serve.start()


def freeze_serve(site: Site, _: Lengths) -> None:
    with stopped(site.rng.choice(site.serves).pid):
        time.sleep(site.rng.uniform(3, 12))


FAULTS: dict[str, Fault] = {
    "worker kill -9": Fault("worker", kill_worker),
    "worker SIGTERM": Fault("worker", stop_worker),
    "worker joins": Fault("worker", join_worker),
    "worker leaves": Fault("worker", leave_worker),
    "worker frozen": Fault("worker", freeze_worker),
    "redis kill -9": Fault("redis", kill_redis),
    "redis cut": Fault("redis", cut_redis),
    "redis cut twice": Fault("redis", cut_redis_twice),
    "redis frozen": Fault("redis", freeze_redis),
    "replies lost": Fault("wire", lose_replies),
    "commands late": Fault("wire", delay_commands),
    "kafka kill -9": Fault("kafka", kill_kafka, explains=(ExitCode.KAFKA,)),
    "kafka away": Fault("kafka", take_kafka_away, explains=(ExitCode.KAFKA,)),
    "serve kill -9": Fault("serve", kill_serve),
    "serve frozen": Fault("serve", freeze_serve),
}


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """SIGSTOP, and SIGCONT."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
