"""After a power cut Redis has some beginning of its append-only file, and that must be a state that a worker once wrote."""

import random
from collections.abc import Callable

import pytest

from streams.state.redis_store import RedisStore
from tests.services.redis import RedisServer
from tests.services.redis_variants import redis_variants, variants
from tests.streams.state.blocks import PAGES, at, changed, opened

CHECKPOINTS, STEP = 40, 5  # how many, and how many records each
CUTS = 24


@pytest.mark.parametrize("variant", ["", *variants()])
async def test_a_file_cut_anywhere_holds_whole_checkpoints(start_redis: Callable[..., RedisServer], variant: str) -> None:
    """The content is that of the stored offset, minutes are not missing; work goes on, and so does the start after that."""
    draw = random.Random(variant)
    server = start_redis(options=["--appendfsync", "always"], executable=redis_variants().get(variant))
    first = await _fill(server)
    server.kill9()
    file = server.append_only_file()
    whole, found = file.read_bytes(), set()
    for _ in range(CUTS):
        file.write_bytes(whole[: draw.randrange(first, len(whole))])
        server.start()
        kept = await _kept(server)
        async with opened(server.url) as client:
            store = RedisStore(client, "cut")
            assert await store.checkpoint(PAGES, kept, changed(kept, kept + 1) | {b"m:%d" % kept: b"minute"}) == kept + 1
        server.kill9()
        server.start()
        assert await _kept(server) == kept + 1
        server.kill9()
        found.add(kept)
    assert len(found) > CUTS / 2


async def _fill(server: RedisServer) -> int:
    """Writes checkpoints; returns the size of the append-only file after the first."""
    async with opened(server.url) as client:
        store = RedisStore(client, "cut")
        await store.checkpoint(PAGES, None, at(0))
        size = server.append_only_file().stat().st_size
        for offset in range(0, STEP * CHECKPOINTS, STEP):
            fold = {b"_folded_until": b"%d" % offset, b"pane%d" % offset: b"open", b"m:%d" % offset: b"minute"}
            await store.checkpoint(PAGES, offset, changed(offset, offset + STEP) | fold)
            await store.forget(PAGES, offset, [b"pane%d" % offset])
        return size


async def _kept(server: RedisServer) -> int:
    """The stored offset, once all the rest has been found to be the state at it."""
    async with opened(server.url) as client:
        store = RedisStore(client, "cut")
        content = {name: value for name, value in (await store.load(PAGES)).items() if not name.startswith(b"m:")}
        stored = int(content[b"_next"])
        folded = stored - stored % STEP - STEP  # by the last of the checkpoints that fold
        left = {b"pane%d" % folded: b"open"}  # its deletion may not have arrived
        assert (
            content.items() - left.items()
            == (at(stored) | ({b"_folded_until": b"%d" % folded} if stored >= STEP else {})).items()
        )
        minutes = [b"m:%d" % offset for offset in range(0, stored, STEP)]
        assert await store.read(PAGES, minutes) == [b"minute"] * len(minutes)
        return stored
