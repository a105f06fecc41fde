"""Measures this machine: the worker beside a bare consumer, in one run, so that the ratio can be trusted where times cannot.

python -m benchmarks [--events 1000000] [--rounds 3]
"""

import argparse
import logging
import os
import statistics
import sys
import tempfile
from pathlib import Path

from benchmarks.throughput import Load, bare, monitored, publish
from benchmarks.webhook import alert_delays
from tests.services.kafka import KafkaServer
from tests.services.redis import RedisServer


def main() -> None:
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a coordinator that is not ready yet is no news
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--alerts", type=int, default=20, help="alerts whose delay is measured; 0: none")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before, Python {sys.version.split()[0]}")
    with tempfile.TemporaryDirectory() as folder:
        kafka, redis = KafkaServer(Path(folder, "kafka")), RedisServer(Path(folder, "redis"), appendonly=True)
        with kafka, redis:
            throughput(Load(kafka.bootstrap, redis.url, options.events), options.rounds)
            if options.alerts:
                latency(kafka.bootstrap, redis.url, options.alerts)


def throughput(load: Load, rounds: int) -> None:
    """Prints both rates of each round and the median of their ratios."""
    size = publish(load)
    print(f"{load.events:,} page loads of {size} bytes on {load.partitions} partitions, a real broker, one process each")
    ratios = []
    for number in range(1, rounds + 1):
        plain, ours = bare(load), monitored(load, number)
        ratios.append(ours.rate / plain.rate)
        print(f"  round {number}: bare getmany + orjson + dict {plain}")
        print(f"           xmon worker, checkpoints to Redis {ours}   ratio {ratios[-1]:.2f}", flush=True)
    print(f"ratio of rates, median of {rounds}: {statistics.median(ratios):.2f}")


def latency(bootstrap: str, redis_url: str, count: int) -> None:
    """Prints how long it takes from the event that crosses a limit to the webhook call."""
    delays = sorted(alert_delays(bootstrap, redis_url, count))
    at_95 = delays[min(len(delays) - 1, int(0.95 * len(delays)))]
    print(f"event to webhook with `for: 0s`, {len(delays)} alerts: median {statistics.median(delays):.2f} s, p95 {at_95:.2f} s")


if __name__ == "__main__":
    main()
