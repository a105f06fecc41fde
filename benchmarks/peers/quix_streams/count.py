"""Quix Streams: page loads counted by page in windows of 10 s, as its guides "GroupBy" and "Windowing" have it.

State in RocksDB with changelog topics; each update of a window goes to a topic, whose last message of a window is the count.
The grace is long enough for nothing to be late after a kill. The commit interval is the default, 5 s. The variant is
`<guarantee>:<key of the topic>`: `at-least-once` (the default) or `exactly-once`; sessions are re-keyed with `group_by`, and
pages need not be. `fenced` is exactly-once with a `transactional.id` of its own, so that a restarted program ends the
transaction it left open; the default is a random one, and the broker waits a minute for the program that was killed.
"""

from datetime import timedelta

from quixstreams import Application

from benchmarks.peers.job import Job

job = Job.given()
guarantee, key = job.variant.split(":")
app = Application(
    broker_address=job.bootstrap,
    consumer_group=job.group,
    auto_offset_reset="earliest",
    processing_guarantee="exactly-once" if guarantee == "fenced" else guarantee,
    producer_extra_config={"transactional.id": job.group} if guarantee == "fenced" else None,
    consumer_extra_config={
        "session.timeout.ms": int(job.session_timeout_seconds * 1000),
        "heartbeat.interval.ms": 2000,
    },
    state_dir=job.directory,
    loglevel="WARNING",
)
page_loads = app.topic(job.topic, key_deserializer="str")
counts = app.topic(f"{job.group}-counts", key_serializer="json")

sdf = app.dataframe(page_loads)
if key == "session":
    sdf = sdf.group_by("page")
sdf = sdf.tumbling_window(timedelta(seconds=10), grace_ms=timedelta(minutes=10)).count().current()
sdf.to_topic(counts)

if __name__ == "__main__":
    app.run()
