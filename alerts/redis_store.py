"""Alerts kept in Redis: one hash, and the lease beside it under the same hash tag. The only file here that knows Redis."""

import logging
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import cast

from streams.state.redis_client import Client
from streams.state.redis_errors import translated
from streams.state.script import Script

_TOKEN = "_token"  # noqa: S105 - its name
_MOST_FIELDS = 3_000  # a Lua script passes each with its value, and Lua's stack ends at 8,000

logger = logging.getLogger(__name__)


class RedisAlertStore:
    """Implements AlertStore. The caller owns the client.

    A great many fields go in several calls. The engine puts what is to be told before the alert that was told of, so
    that a cut between two calls repeats a notification and loses none.
    """

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._board = f"{prefix}:{{alerts}}:board"
        self._lease = f"{prefix}:{{alerts}}:lease"
        self._hold = Script("alerts", "hold.lua")
        self._put = Script("alerts", "put.lua")
        self._drop = Script("alerts", "drop.lua")

    @translated
    async def hold(self, holder: str, ttl_ms: int) -> bool:
        """Takes or renews the lease; False while another one holds it. With 0 the holder lets go of it."""
        return bool(await self._hold.run(self._client, [self._lease], holder, str(ttl_ms)))

    @translated
    async def take_over(self, token: str) -> None:
        """From now on only writes with this token stand."""
        await self._client.hset(self._board, _TOKEN, token)

    @translated
    async def read(self) -> dict[str, str]:
        """Everything that is kept, by name; what is no text is logged and left out."""
        stored = cast("dict[bytes, bytes]", await self._client.hgetall(self._board))
        kept = {}
        for name, text in stored.items():
            try:
                kept[name.decode()] = text.decode()
            except UnicodeDecodeError as error:
                logger.warning("%r in the store cannot be read and is left out: %s", name, error)
        kept.pop(_TOKEN, None)
        return kept

    @translated
    async def write(self, token: str, put: Mapping[str, str], drop: Sequence[str]) -> bool:
        """Puts in the given order, then drops; False, and nothing done, where the token is not the stored one."""
        pairs = list(put.items())
        for start in range(0, len(pairs) or 1, _MOST_FIELDS):
            some = chain.from_iterable(pairs[start : start + _MOST_FIELDS])
            if not await self._put.run(self._client, [self._board], token, *some):
                return False
        for start in range(0, len(drop), _MOST_FIELDS):
            if not await self._drop.run(self._client, [self._board], token, *drop[start : start + _MOST_FIELDS]):
                return False
        return True
