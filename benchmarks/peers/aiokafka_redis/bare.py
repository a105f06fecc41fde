"""The least that a Python consumer can do: aiokafka's getmany, orjson, and counts and sums in two dicts. Nothing is durable."""

import asyncio

import orjson
from aiokafka import AIOKafkaConsumer

from benchmarks.peers.job import Job, Meter


async def main(job: Job) -> None:
    consumer = AIOKafkaConsumer(
        job.topic, bootstrap_servers=job.bootstrap, auto_offset_reset="earliest", max_partition_fetch_bytes=2 << 20
    )
    await consumer.start()
    meter, counts, sums = Meter(job), {}, {}
    while True:
        fetched = await consumer.getmany(timeout_ms=1000, max_records=10_000)
        for records in fetched.values():
            for record in records:
                event = orjson.loads(record.value)
                page = event["page"]
                counts[page] = counts.get(page, 0) + 1
                sums[page] = sums.get(page, 0.0) + event["duration_ms"]
            meter.count(len(records))


if __name__ == "__main__":
    asyncio.run(main(Job.given()))
