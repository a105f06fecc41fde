"""The long form: one worker and one `serve` under a steady load of all families, to see whether memory stays flat.

XMON_SOAK_SECONDS=1800
XMON_SOAK_RATE=1500      events a second, in steps of 500; their time is now, their people and contacts come again and again

What was measured is in .cache/soak/. Memory grows until windows, tables and the caches of what comes again are full; so it is
judged over the last two thirds, by a straight line. Closed minutes are kept for 75 minutes: what they take in Redis and in
`serve` is known, and left out. A machine that is too busy makes the worker fall behind; what it then takes in at once stays in
its memory as a high-water mark, so the judgement is worth little there.
"""

import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import linear_regression
from zlib import crc32

import httpx
import numpy as np
import psutil
from confluent_kafka import Producer

from streams.windows.rows import decode
from streams.windows.series import read_names
from tests.e2e.monitor import Monitor
from tests.faults.comparison import differences
from tests.faults.generator import Generator, Sent
from tests.faults.observed import LAYOUTS
from tests.faults.site import Place, Site
from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer
from tests.services.steady import Steady

CACHE = Path(__file__).parents[2] / ".cache" / "soak"
SAMPLE_SECONDS = 5.0
ROW_SECONDS = 60.0
PATIENCE_SECONDS = 120.0  # of a machine that has other work too
STEP_MS = 2  # of one generator
SESSIONS = 2000  # four times as many contacts
MOST_GROWTH = 0.03
MEGABYTE = 1 << 20
FIELD = 64  # bytes of a field's name, and what Redis needs to find it
ARRAYS = 2048  # of the dozen arrays of a minute without their content


@dataclass(frozen=True, slots=True)
class Sample:
    """One look. Bytes, and seconds of CPU since the start."""

    seconds: float
    sent: int
    lag: int
    worker: int
    worker_cpu: float
    serve: int
    serve_cpu: float
    redis: int
    minutes: int  # closed minutes in Redis
    frames: int  # the same in `serve`

    def judged(self) -> dict[str, int]:
        """What must stay flat."""
        return {"worker": self.worker, "serve": self.serve - self.frames, "redis": self.redis - self.minutes}


def judged_time(samples: Sequence[Sample]) -> list[Sample]:
    """The last two thirds."""
    return [sample for sample in samples if sample.seconds >= samples[-1].seconds / 3]


def growth(samples: Sequence[Sample]) -> dict[str, float]:
    """Of each part, over the last two thirds of the time, as a share of what it began with."""
    late = judged_time(samples)
    times = [sample.seconds for sample in late]
    found = {}
    for name in late[0].judged():
        slope, begin = linear_regression(times, [sample.judged()[name] for sample in late])
        found[name] = slope * (times[-1] - times[0]) / (begin + slope * times[0])
    return found


def row(sample: Sample, before: Sample | None) -> str:
    """One line of the table; CPU since the row before."""
    sent = sample.sent - before.sent if before else 0
    seconds = sample.seconds - before.seconds if before else 0.0
    worker = f"{1e6 * (sample.worker_cpu - before.worker_cpu) / sent:9.1f}" if before and sent else f"{'':9}"
    serve = f"{100 * (sample.serve_cpu - before.serve_cpu) / seconds:8.0f}" if before and seconds else f"{'':8}"
    sizes = (sample.worker, sample.serve, sample.frames, sample.redis, sample.minutes)
    columns = "".join(f"{size / MEGABYTE:10.1f}" for size in sizes)
    return f"{sample.seconds:8.0f}{sample.sent:10}{sample.lag:7}{columns}{worker}{serve}"


HEAD = (
    f"{'':25}{'MB':>10}{'':40}{'CPU us':>9}{'CPU %':>8}\n"
    f"{'seconds':>8}{'sent':>10}{'lag':>7}{'worker':>10}{'serve':>10}{'(minutes)':>10}{'Redis':>10}{'(minutes)':>10}"
    f"{'an event':>9}{'serve':>8}"
)


class Load(Steady):
    """Events of all families; how late one is does not matter, its time is when it was due."""

    def __init__(self, site: Site, rate: int) -> None:
        producer = Producer(
            {"bootstrap.servers": site.kafka.bootstrap, "linger.ms": 20, "enable.idempotence": True, "log_level": 0}
        )
        super().__init__(producer, rate, step_seconds=0.02, patience_seconds=PATIENCE_SECONDS)
        self._site, self._coming = site, self._events(rate)

    def publish(self, events: int) -> None:
        for event in itertools.islice(self._coming, events):
            partition = crc32(event.key or b"") % self._site.width[event.family]
            topic = self._site.monitor.topic(event.family)
            self._producer.produce(topic, event.value, event.key, partition, timestamp=event.arrival)
            self.sent += 1

    @staticmethod
    def _events(rate: int) -> Iterator[Sent]:
        now = int(time.time() * 1000)
        seeds = range(rate * STEP_MS // 1000)
        sources = [Generator(seed, start_ms=now, step_ms=STEP_MS, sessions=SESSIONS) for seed in seeds]
        streams = [source.events(sys.maxsize) for source in sources]
        while True:
            for stream in streams:
                yield next(stream)


def allocated(size: int) -> int:
    """What a field of so many bytes takes in Redis: its allocator has four sizes between two powers of two."""
    step = max(1 << ((size + FIELD).bit_length() - 3), 16)
    return -(-(size + FIELD) // step) * step


class Scales:
    """Weighs what runs."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._worker, self._serve = (psutil.Process(process.pid) for process in (site.workers[0], site.serve))
        self._minutes: dict[tuple[str, bytes], tuple[int, int]] = {}  # hash and field → bytes in Redis and in `serve`
        self._http = httpx.Client(timeout=PATIENCE_SECONDS)
        self._began = time.monotonic()

    def weigh(self, sent: int) -> Sample:
        self._weigh_minutes()
        cpu = [process.cpu_times() for process in (self._worker, self._serve)]
        return Sample(
            round(time.monotonic() - self._began, 1),
            sent,
            self._lag(),
            self._worker.memory_info().rss,
            cpu[0].user + cpu[0].system,
            self._serve.memory_info().rss,
            cpu[1].user + cpu[1].system,
            self._site.client.info("memory")["used_memory"],  # type: ignore[index]
            sum(stored for stored, _ in self._minutes.values()),
            sum(held for _, held in self._minutes.values()),
        )

    def _lag(self) -> int:
        """By `/metrics`, which somebody scrapes in real life too."""
        lines = self._http.get(f"{self._site.serve.url}/metrics").text.splitlines()
        return int(sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith("xmon_lag_records{")))

    def _weigh_minutes(self) -> None:
        client, there = self._site.client, set()
        for place in self._site.places():
            key = self._site.key(place)
            for name in client.hkeys(key):  # type: ignore[union-attr]
                if not name.startswith(b"m:"):
                    continue
                there.add((key, name))
                if (key, name) not in self._minutes and (content := client.hget(key, name)):
                    self._minutes[key, name] = allocated(len(content)), self._held(place, content)  # type: ignore[arg-type]
        self._minutes = {which: sizes for which, sizes in self._minutes.items() if which in there}

    def _held(self, place: Place, content: bytes) -> int:
        """As `serve` holds a minute: every number with an index of 8 bytes, and a copy of what totals are."""
        rows, layout = decode(content), LAYOUTS[place[0]]
        totals = np.isin(rows.series, self._totals(place))
        held = ARRAYS
        for (index, value), width in zip(
            (rows.cells, rows.buckets, rows.registers), (layout.cells, layout.buckets, layout.registers), strict=True
        ):
            copied = int(totals[index // width].sum()) if width else 0
            held += (index.size + copied) * (index.itemsize + value.itemsize)
        return held

    def _totals(self, place: Place) -> list[int]:
        """The numbers of the totals among the series of a partition."""
        stored = self._site.client.hgetall(self._site.key(place))
        blocks = [content for name, content in stored.items() if name.startswith(b"s:")]  # type: ignore[union-attr]
        return [number for block in blocks for number, name, _ in read_names(block) if name.dimension == "all"]


def soak(site: Site, seconds: float, rate: int, file: Path) -> tuple[list[Sample], list[str]]:
    """Samples, and what is wrong at the end."""
    started = int(time.time() * 1000)
    site.start(workers=1)
    samples: list[Sample] = []
    with file.open("w") as lines, Load(site, rate) as load:
        scales = Scales(site)
        say(HEAD)
        shown: Sample | None = None
        while not samples or samples[-1].seconds < seconds:
            time.sleep(SAMPLE_SECONDS)
            samples.append(scales.weigh(load.sent))
            lines.write(json.dumps(asdict(samples[-1])) + "\n")
            lines.flush()
            if shown is None or samples[-1].seconds - shown.seconds >= ROW_SECONDS:
                say(row(samples[-1], shown))
                shown = samples[-1]
    site.catch_up()
    say("all is stored; counting")
    records = site.serve.settled(load.sent).sum("xmon_records_total")
    wrong = [f"{load.sent} events were sent, {records:.0f} counted"] if records != load.sent else []
    wrong += [f"{name} grew by {share:.1%}" for name, share in growth(samples).items() if share > MOST_GROWTH]
    wrong += [f"workers ended with {dict(site.ended)}"] if site.ended else []
    return samples, wrong + differences(site, started, int(time.time() * 1000))


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> int:
    seconds, rate = (int(os.environ.get(f"XMON_SOAK_{name}", default)) for name, default in (("SECONDS", 1800), ("RATE", 1500)))
    CACHE.mkdir(parents=True, exist_ok=True)
    file = CACHE / f"{time.strftime('%Y%m%d-%H%M%S')}-{rate}.jsonl"
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        kafka = stack.enter_context(KafkaServer(directory / "kafka"))
        redis = stack.enter_context(RedisServer(directory / "redis"))
        monitor = stack.enter_context(closing(Monitor(directory, kafka, redis, "soak")))
        samples, wrong = soak(Site(monitor, kafka, redis, random.Random(1)), seconds, rate, file)
    shares = ", ".join(f"{name} {share:+.1%}" for name, share in growth(samples).items())
    behind = max(sample.lag for sample in judged_time(samples))
    say(f"\ngrowth over the last two thirds: {shares}; the worker was behind by up to {behind:,} records\n{file}")
    say("\n".join(wrong) if wrong else "memory is flat, nothing waits, and every figure is exact")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
