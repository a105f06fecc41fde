"""The least that a Python consumer can do: aiokafka's getmany, orjson, and counts and sums in a dict. Nothing durable."""

import asyncio
import sys
import time

import orjson
from aiokafka import AIOKafkaConsumer


async def main(bootstrap: str, topic: str, events: int) -> None:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    counts: dict[str, int] = {}
    sums: dict[str, float] = {}
    seen, skipped, began, cpu = 0, 0, 0.0, 0.0
    while seen < events:
        fetched = await consumer.getmany(timeout_ms=1000, max_records=5000)
        for records in fetched.values():
            for record in records:
                event = orjson.loads(record.value)
                page = event["page"]
                counts[page] = counts.get(page, 0) + 1
                sums[page] = sums.get(page, 0.0) + event["duration_ms"]
            seen += len(records)
        if not began and seen:
            skipped, began, cpu = seen, time.monotonic(), time.process_time()
    elapsed, used = time.monotonic() - began, time.process_time() - cpu
    await consumer.stop()
    print((seen - skipped) / elapsed, 1e6 * used / (seen - skipped))


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
