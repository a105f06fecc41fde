"""Bytewax: page loads counted, and their durations summed, by page in windows of 10 s. Nothing durable: recovery is off.

One worker; `fold_window` in the order of arrival, which its documentation calls the faster one; batches of 10,000 from Kafka.
Windows wait ten minutes for late events, so all of them close when the input ends. Sessions need no topic in between: with one
worker there is nothing to exchange.
"""

from datetime import UTC, datetime, timedelta

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.operators import windowing
from bytewax.run import cli_main
from bytewax.testing import TestingSink

from benchmarks.peers.job import Job, Meter

Load = tuple[str, datetime, float]  # page, time, duration
Views = tuple[int, float]  # count, sum of durations

job = Job.given()
meter = Meter(job)


def load(message: KafkaSourceMessage) -> Load:
    event = orjson.loads(message.value)
    return event["page"], datetime.fromtimestamp(message.timestamp[1] / 1000, UTC), event["duration_ms"]


def add(views: Views, load: Load) -> Views:
    meter.count()
    return views[0] + 1, views[1] + load[2]


clock = windowing.EventClock(lambda load: load[1], wait_for_system_duration=timedelta(minutes=10))
tumbling = windowing.TumblingWindower(length=timedelta(seconds=10), align_to=datetime(2026, 1, 1, tzinfo=UTC))

flow = Dataflow("page-loads")
source = KafkaSource([job.bootstrap], [job.topic], tail=False, batch_size=10_000)
loads = op.key_on("by-page", op.map("decode", op.input("kafka", flow, source), load), lambda load: load[0])
windows = windowing.fold_window(
    "views", loads, clock, tumbling, lambda: (0, 0.0), add, lambda a, b: (a[0] + b[0], a[1] + b[1]), ordered=False
)
op.output("out", windows.down, TestingSink([]))

if __name__ == "__main__":
    cli_main(flow)
