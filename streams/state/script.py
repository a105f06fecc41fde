"""A Lua script on one key, called by its digest and sent whole only to a server that does not know it."""

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

    async def run(self, client: Client, key: str, *arguments: bytes | str) -> Any:
        """What the script returns."""
        try:
            return await client.evalsha(self._digest, 1, key, *arguments)
        except NoScriptError:
            return await client.eval(self._text, 1, key, *arguments)
