"""Faust tables: page loads counted by page, as its user guide has it ("Tables and windowing").

Tables come back from their changelog. Sessions are re-keyed with `group_by`, because a table must be partitioned as its stream
is; pages need not be. The variant is `<guarantee>:<table>:<key of the topic>:<store>`. Guarantee: `at_least_once` (the default)
or `exactly_once` (transactions). Table: `plain` or `window` (tumbling, 10 s, kept an hour). Store: `rocksdb`, which the guide
names for production, or `memory`, the default.
"""

import mode.loop

mode.loop.use("uvloop")  # before anything of Faust is imported

import faust  # noqa: E402

from benchmarks.peers.job import Job  # noqa: E402

job = Job.given()
guarantee, table, key, store = job.variant.split(":")
app = faust.App(
    job.group,
    broker=f"kafka://{job.bootstrap}",
    store=f"{store}://",
    datadir=job.directory,
    topic_partitions=job.partitions,
    topic_replication_factor=1,
    processing_guarantee=guarantee,
    broker_session_timeout=job.session_timeout_seconds,
    broker_heartbeat_interval=2,
    web_enabled=False,
)


class PageLoad(faust.Record):
    page: str
    duration_ms: float


page_loads = app.topic(job.topic, value_type=PageLoad)
views = app.Table("views", default=int, partitions=job.partitions)
if table == "window":
    views = views.tumbling(10.0, expires=3600.0)


@app.agent(page_loads)
async def count(stream: faust.Stream[PageLoad]) -> None:
    async for load in stream if key == "page" else stream.group_by(PageLoad.page):
        views[load.page] += 1


if __name__ == "__main__":
    faust.Worker(app, loglevel="WARNING").execute_from_commandline()
