"""Measures this machine: `make bench`, or the parts that are named.

python -m benchmarks [speed] [latency] [stages] [growth] [pauses] [memory] [serving] [moves] [--small]

What was measured goes to .cache/bench/, and from there into docs/performance.md.
"""

import argparse
import json
import logging
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine, report
from benchmarks.arena import FULL, SMALL, Arena, Scale
from benchmarks.markdown import TARGET_HEAD, markdown
from benchmarks.parts import PARTS
from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer
from tests.services.service import Missing


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when all was measured, whatever it was; 1 when some part could not be."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)}; none: all")
    parser.add_argument(
        "--small", action="store_true", help="a try of some minutes: no peers, no figure that is worth anything"
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"there is no part {unknown[0]}: {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and what was started ends too
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a coordinator that is not ready yet is no news
    scale, cache = (SMALL, report.CACHE / "bench-small") if options.small else (FULL, report.CACHE / "bench")
    cache.mkdir(parents=True, exist_ok=True)
    load = machine.load()
    with tempfile.TemporaryDirectory(dir=cache, prefix="run-") as folder:
        try:
            kafka = KafkaServer(Path(folder, "kafka"), machine.KAFKA_JAVA_OPTIONS)
            redis = RedisServer(Path(folder, "redis"), appendonly=True)
        except Missing as missing:
            print(f"nothing can be measured: {missing}", file=sys.stderr)
            return 1
        with kafka, redis:
            arena = Arena(kafka, redis, Path(folder))
            passed = [tried(name, arena, scale, cache, load) for name in options.parts or PARTS]
    if not options.small:
        report.write_performance()
    return 0 if all(passed) else 1


def tried(name: str, arena: Arena, scale: Scale, cache: Path, load: float) -> bool:
    """Whether a part could be measured; why not is told, and the others are not to suffer."""
    try:
        run(name, arena, scale, cache, load)
    except Exception:  # noqa: BLE001 - whatever it is
        print(f"{name} could not be measured:\n{traceback.format_exc()}", flush=True)
        return False
    return True


def run(name: str, arena: Arena, scale: Scale, cache: Path, load: float) -> None:
    """Measures a part, prints its tables, and keeps its lines under what they were measured on. `load`: before all of it."""
    part, file, began = PARTS[name], cache / f"{name}.jsonl", time.monotonic()
    print(f"\n{name}: {(part.__doc__ or '').splitlines()[0]}", flush=True)
    found = []
    for line in part.lines(arena, scale):
        found.append(line)
        print(
            "  "
            + "  ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in line.items()),
            flush=True,
        )
    head = {
        "date": machine.today(),
        "minutes": (time.monotonic() - began) / 60,
        "load": load,
        "code": machine.code(),
        "machine": machine.describe(arena.redis.url),
    }
    print(f"\n{part.table(found)}\n")
    if targets := [target.row() for target in part.targets(found)]:
        print(f"{markdown(TARGET_HEAD, targets)}\n")
    file.write_text("".join(json.dumps(line) + "\n" for line in (head, *found)))
    print(f"{head['minutes']:.1f} min", flush=True)


if __name__ == "__main__":
    sys.exit(main())
