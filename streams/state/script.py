"""A Lua script, called by its digest and sent whole only to a server that does not know it."""

from collections.abc import Sequence
from hashlib import sha1
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError

from streams.state.redis_client import Client


class Script:
    """A file of a package."""

    def __init__(self, package: str, name: str) -> None:
        self._text = files(package).joinpath(name).read_text("utf-8")
        self._digest = sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, client: Client, keys: Sequence[str], *arguments: bytes | str) -> Any:
        """What the script returns. All keys must share a hash tag."""
        try:
            return await client.evalsha(self._digest, len(keys), *keys, *arguments)
        except NoScriptError:
            return await client.eval(self._text, len(keys), *keys, *arguments)
