"""A partition whose content is known for every offset, and the connection that its tests use."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from streams.state.keys import PartitionId
from streams.state.redis_client import Client, connect

PAGES = PartitionId("experience.page-load", 3)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Client]:
    client = connect(url)
    try:
        yield client
    finally:
        await client.aclose()


def at(offset: int) -> dict[bytes, bytes]:
    """The whole content at an offset: seven blocks, of which each record changed one."""
    blocks = {b"block%d" % (record % 7): random.Random(record).randbytes(300) for record in range(offset - 6, offset + 1)}
    return {b"_next": b"%d" % offset, **blocks}


def changed(before: int, after: int) -> dict[bytes, bytes]:
    """What a checkpoint between two offsets writes."""
    return dict(at(after).items() - at(before).items())
