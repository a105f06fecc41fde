"""What Redis answers when it will not, told as the two store errors: wait, or change something first."""

import re
from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from traceback import walk_tb
from typing import Any, ParamSpec, TypeVar

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ClusterError,
    ConnectionError,  # noqa: A004 - redis's own, which is no OSError
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,  # noqa: A004
)

from streams.state.errors import StoreError, StoreRejected, StoreUnavailable

P = ParamSpec("P")
T = TypeVar("T")

# Out of memory and disk count as "wait": an operator can mend them meanwhile, and nothing is lost by waiting.
_WAIT = {
    "LOADING": "it is reading its data after a start",
    "BUSY": "a long script holds it",
    "TRYAGAIN": "the cluster is moving slots",
    "CLUSTERDOWN": "the cluster has lost nodes",
    "MASTERDOWN": "a replica has lost its primary",
    "READONLY": "a failover is under way, or the URL leads to a replica",
    "NOREPLICAS": "fewer replicas are connected than min-replicas-to-write asks for",
    "OOM": "raise maxmemory, or free memory; writing goes on by itself",
    "MISCONF": "it cannot write to its disk: see its log; writing goes on by itself",
}
_CHANGE = {
    "WRONGPASS": "check user and password: XMON_REDIS_USERNAME, XMON_REDIS_PASSWORD",
    "NOAUTH": "it wants a password: XMON_REDIS_PASSWORD",
    "NOPERM": "give the user the commands and keys in the message: ACL SETUSER",
    "WRONGTYPE": "the key is used by something else: choose another prefix",
    "MOVED": "this is a cluster: write redis+cluster:// in the URL",
    "CROSSSLOT": "keys of one partition fell on several nodes: is a proxy between?",
}
_MEANING: dict[str, tuple[type[StoreError], str]] = {
    **{word: (StoreUnavailable, hint) for word, hint in _WAIT.items()},
    **{word: (StoreRejected, hint) for word, hint in _CHANGE.items()},
}
_UNREACHABLE = "is it running, and are host, port and TLS right?"
_OWN = (RedisError, RedisClusterException, OSError)


def store_error(error: BaseException) -> StoreError:
    """The store error for what redis-py raised."""
    problem = f"Redis: {str(error).rstrip('. ')}"
    if "cluster mode is not enabled" in problem.lower():
        return StoreRejected(problem, "this is no cluster: write redis:// in the URL")
    if isinstance(error, RedisClusterException) and error.__cause__:
        return store_error(error.__cause__)  # the cluster client wraps what stopped it
    for word in _words(error):
        if word in _MEANING:
            kind, hint = _MEANING[word]
            return kind(problem, hint)
    if isinstance(error, AuthenticationError | AuthorizationError):
        return StoreRejected(problem, _CHANGE["WRONGPASS"])
    if isinstance(error, ConnectionError | TimeoutError | ClusterError | RedisClusterException | OSError):
        return StoreUnavailable(problem, _UNREACHABLE)
    return StoreRejected(problem, "Redis 7 or later, or Valkey, is needed")


def answered(error: StoreError) -> bool:
    """Whether Redis itself said so, over a connection that works."""
    return isinstance(error.__cause__, ResponseError)


def _words(error: BaseException) -> list[str]:
    # A script on Redis 6 hides the code behind "ERR Error running script", so all words of the message are looked at.
    return re.findall(r"[A-Z]{3,}", f"{getattr(error, 'status_code', '')} {error}")


def _in_client(error: BaseException) -> bool:
    """Whether it is redis-py's: of a cluster that is down it closes all connections, also those that others are writing to."""
    return any(frame.f_globals["__name__"].startswith("redis.") for frame, _ in walk_tb(error.__traceback__))


def translated(call: Callable[P, Awaitable[T]]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Makes a coroutine function raise store errors only."""

    @wraps(call)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await call(*args, **kwargs)
        except _OWN as error:
            raise store_error(error) from error
        except (AttributeError, RuntimeError) as error:
            if not _in_client(error):
                raise
            raise StoreUnavailable(f"Redis: a connection was closed: {error!r}", _UNREACHABLE) from error

    return wrapper
