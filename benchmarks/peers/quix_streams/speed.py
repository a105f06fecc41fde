"""Quix Streams: page loads counted, and their durations summed, by page in windows of 10 s, state in RocksDB with changelogs.

Defaults: at least once, a checkpoint every 5 s. Each update of a window is emitted (`current`), and goes no further. Variant:
the key of the topic; sessions are re-keyed with `group_by`, pages need not be.
"""

from datetime import timedelta

from quixstreams import Application
from quixstreams.dataframe.windows import Count, Sum

from benchmarks.peers.job import Job, Meter

job = Job.given()
meter = Meter(job)
app = Application(
    broker_address=job.bootstrap,
    consumer_group=job.group,
    auto_offset_reset="earliest",
    state_dir=job.directory,
    loglevel="WARNING",
)
sdf = app.dataframe(app.topic(job.topic, key_deserializer="str"))
if job.variant == "session":
    sdf = sdf.group_by("page")
windows = sdf.tumbling_window(timedelta(seconds=10), grace_ms=timedelta(minutes=10))
sdf = windows.agg(count=Count(), sum=Sum("duration_ms")).current()
sdf.update(lambda _: meter.count())

if __name__ == "__main__":
    app.run()
