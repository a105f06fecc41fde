"""Faust: page loads counted, and their durations summed, by page. The variant is `<work>:<key of the topic>`.

`plain`: an agent over records of a model that adds to two dicts, nothing durable. `tables`: two tumbling tables of 10 s in
RocksDB; sessions are re-keyed with `group_by`, pages need not be. With uvloop and orjson, as its installation guide has it.
"""

import mode.loop

mode.loop.use("uvloop")  # before anything of Faust is imported

from collections import defaultdict  # noqa: E402

import faust  # noqa: E402

from benchmarks.peers.job import Job, Meter  # noqa: E402

job = Job.given()
meter = Meter(job)
work, key = job.variant.split(":")
regrouped = work == "tables" and key == "session"
app = faust.App(
    job.group,
    broker=f"kafka://{job.bootstrap}",
    store="rocksdb://",
    datadir=job.directory,
    topic_partitions=job.partitions,
    topic_replication_factor=1,
    web_enabled=False,
)


class PageLoad(faust.Record):
    page: str
    duration_ms: float


page_loads = app.topic(job.topic, value_type=PageLoad)
views, durations = defaultdict(int), defaultdict(float)
if work == "tables":
    views = app.Table("views", default=int, partitions=job.partitions).tumbling(10.0, expires=3600.0)
    durations = app.Table("durations", default=float, partitions=job.partitions).tumbling(10.0, expires=3600.0)


@app.agent(page_loads)
async def add(stream: faust.Stream[PageLoad]) -> None:
    async for load in stream.group_by(PageLoad.page) if regrouped else stream:
        views[load.page] += 1
        durations[load.page] += load.duration_ms
        meter.count()


if __name__ == "__main__":
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()
