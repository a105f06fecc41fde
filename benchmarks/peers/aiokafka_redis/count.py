"""aiokafka and HINCRBY: page loads counted in a Redis hash, as a first version of such a service is written.

`auto-commit`: the loop of aiokafka's own front page; the client commits offsets every 5 s.
`manual-commit`: batches; one pipeline of HINCRBY a batch, then `commit()`, as its guide has it for at least once.
Neither has windows, and neither ties the counts to the offsets.
"""

import asyncio
from collections import Counter

import orjson
from aiokafka import AIOKafkaConsumer
from redis.asyncio import Redis

from benchmarks.peers.job import Job


async def main(job: Job) -> None:
    consumer = AIOKafkaConsumer(
        job.topic,
        bootstrap_servers=job.bootstrap,
        group_id=job.group,
        auto_offset_reset="earliest",
        enable_auto_commit=job.variant == "auto-commit",
        session_timeout_ms=int(job.session_timeout_seconds * 1000),
        heartbeat_interval_ms=2000,
    )
    redis = Redis.from_url(job.redis_url)
    await consumer.start()
    await VARIANTS[job.variant](consumer, redis, job.group)


async def auto_commit(consumer: AIOKafkaConsumer, redis: Redis, name: str) -> None:
    async for message in consumer:
        await redis.hincrby(name, orjson.loads(message.value)["page"], 1)


async def manual_commit(consumer: AIOKafkaConsumer, redis: Redis, name: str) -> None:
    while True:
        batches = await consumer.getmany(timeout_ms=1000)
        pages = Counter(orjson.loads(record.value)["page"] for records in batches.values() for record in records)
        if pages:
            async with redis.pipeline() as pipeline:
                for page, count in pages.items():
                    pipeline.hincrby(name, page, count)
                await pipeline.execute()
            await consumer.commit()


VARIANTS = {"auto-commit": auto_commit, "manual-commit": manual_commit}

if __name__ == "__main__":
    asyncio.run(main(Job.given()))
