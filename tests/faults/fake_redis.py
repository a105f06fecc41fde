"""Redis in a dict: the commands that the store and the simulator send, and the store's own scripts in a real Lua 5.1.

Nothing expires: no story lasts as long as a time to live. `test_simulator.py` holds it against a real Redis.
"""

from collections.abc import Callable
from fnmatch import fnmatchcase
from hashlib import sha1
from typing import Any, Self

from lupa.lua51 import LuaRuntime, lua_type
from redis.commands import AsyncCoreCommands
from redis.exceptions import NoScriptError


class FakeRedis(AsyncCoreCommands):
    """The client of a server of its own. Each command takes effect at once."""

    def __init__(self) -> None:
        self._server = Server()

    async def execute_command(self, *command: Any, **_: Any) -> Any:
        """What redis-py gives for a command."""
        return self._server.do(*map(_sent, command))

    def pipeline(self, **_: Any) -> "Pipeline":
        return Pipeline(self)


class Pipeline(AsyncCoreCommands):
    """Commands that are sent one after the other, each for itself."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._commands: list[tuple[Any, ...]] = []

    def execute_command(self, *command: Any, **_: Any) -> Self:
        self._commands.append(command)
        return self

    async def execute(self) -> list[Any]:
        commands, self._commands = self._commands, []
        return [await self._client.execute_command(*command) for command in commands]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._commands = []


class Server:
    """What it holds, and one method a command."""

    def __init__(self) -> None:
        self._content: dict[bytes, Any] = {}  # a hash is a dict, a set a set, a string bytes
        self._scripts: dict[bytes, Callable[[], Any]] = {}
        self._lua = LuaRuntime(encoding=None)
        self._lua.globals()[b"redis"] = self._lua.table_from({b"call": self._called, b"sha1hex": _sha1})

    def do(self, name: bytes, *arguments: Any) -> Any:
        return getattr(self, f"_do_{name.decode().lower()}")(*arguments)

    def _do_hget(self, key: bytes, field: bytes) -> bytes | None:
        return self._content.get(key, {}).get(field)

    def _do_hmget(self, key: bytes, *fields: bytes) -> list[bytes | None]:
        return [self._do_hget(key, field) for field in fields]

    def _do_hgetall(self, key: bytes) -> dict[bytes, bytes]:
        return dict(self._content.get(key, {}))

    def _do_hkeys(self, key: bytes) -> list[bytes]:
        return list(self._content.get(key, {}))

    def _do_hset(self, key: bytes, *pairs: bytes) -> int:
        stored = self._content.setdefault(key, {})
        before = len(stored)
        stored.update(zip(pairs[::2], pairs[1::2], strict=True))
        return len(stored) - before

    def _do_hdel(self, key: bytes, *fields: bytes) -> int:
        stored = self._content.get(key, {})
        return sum(stored.pop(field, None) is not None for field in fields)

    def _do_set(self, key: bytes, value: bytes, *_expiry: bytes) -> bool:
        self._content[key] = value
        return True

    def _do_get(self, key: bytes) -> bytes | None:
        return self._content.get(key)

    def _do_mget(self, *keys: bytes) -> list[bytes | None]:
        return [self._content.get(key) for key in keys]

    def _do_sadd(self, key: bytes, *members: bytes) -> int:
        stored = self._content.setdefault(key, set())
        before = len(stored)
        stored.update(members)
        return len(stored) - before

    def _do_srem(self, key: bytes, *members: bytes) -> int:
        stored = self._content.get(key, set())
        before = len(stored)
        stored.difference_update(members)
        return before - len(stored)

    def _do_smembers(self, key: bytes) -> set[bytes]:
        return set(self._content.get(key, ()))

    def _do_keys(self, pattern: bytes) -> list[bytes]:
        return [key for key in self._content if fnmatchcase(key.decode(), pattern.decode())]

    def _do_del(self, *keys: bytes) -> int:
        return sum(self._content.pop(key, None) is not None for key in keys)

    def _do_dump(self, key: bytes) -> Any:
        """A copy, where Redis gives bytes."""
        return _copy(self._content.get(key))

    def _do_restore(self, key: bytes, _ttl: bytes, value: Any) -> bool:
        self._content[key] = _copy(value)
        return True

    def _do_eval(self, text: bytes, *arguments: bytes) -> Any:
        digest = _sha1(text)
        self._scripts[digest] = self._lua.compile(text)
        return self._do_evalsha(digest, *arguments)

    def _do_evalsha(self, digest: bytes, keys: bytes, *arguments: bytes) -> Any:
        if digest not in self._scripts:
            raise NoScriptError("No matching script.")
        self._lua.globals()[b"KEYS"] = self._lua.table_from(arguments[: int(keys)])
        self._lua.globals()[b"ARGV"] = self._lua.table_from(arguments[int(keys) :])
        answer = self._scripts[digest]()
        if lua_type(answer) == "table":
            return list(answer.values())
        return None if answer is False else answer

    def _called(self, *command: bytes) -> Any:
        """`redis.call`: what is nil on the wire is false in Lua."""
        answer = self.do(*command)
        if isinstance(answer, list):
            return self._lua.table_from([False if one is None else one for one in answer])
        return False if answer is None else answer


def _sha1(text: bytes) -> bytes:
    return sha1(text, usedforsecurity=False).hexdigest().encode()


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, dict | set) else value


def _sent(argument: Any) -> Any:
    """Numbers and texts as redis-py sends them; the content of a RESTORE as it is."""
    return str(argument).encode() if isinstance(argument, str | int) else argument
