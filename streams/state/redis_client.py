"""The connection to Redis: opened from a URL, checked for what would lose figures."""

import asyncio
import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from redis.asyncio import Redis, RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import NoPermissionError, ReadOnlyError, RedisClusterException

from streams.state.errors import StoreRejected, StoreUnavailable
from streams.state.keys import Keys
from streams.state.redis_errors import translated

log = logging.getLogger(__name__)

Client: TypeAlias = Redis | RedisCluster

TIMEOUT_SECONDS = 5.0
RETRIES = 3  # a flicker only; callers wait and repeat on their own. Every command sent is safe to repeat
# As good as no limit: redis-py opens one for each call that is under way and by itself refuses the 101st, a worker makes a call
# a partition. To stand in line for a few is no way out: when Redis hangs, who comes late hears of it minutes after the first.
CONNECTIONS = 10_000
OLDEST_TRUSTED_MAJOR = 7
MOST_PULSES = 1_000  # names that are tried, to find one on each primary; one without slots has none
KEY_SECONDS = 1.0  # how long the key for pseudonyms may be missing


def connect(
    url: str,
    *,
    username: str | None = None,
    password: str | None = None,
    ca_file: str | None = None,
    cert_file: str | None = None,
    key_file: str | None = None,
) -> Client:
    """A client for `redis://`, `rediss://` (TLS), `unix://`, `redis+cluster://` or `rediss+cluster://`.

    Connects with the first command; the caller closes it with `aclose()`. What the URL says wins over the arguments.
    """
    scheme, _, rest = url.partition("://")
    tls_files = {"ssl_ca_certs": ca_file, "ssl_certfile": cert_file, "ssl_keyfile": key_file}
    tls = {name: file for name, file in tls_files.items() if file}
    if tls and not scheme.startswith("rediss"):
        raise StoreRejected("certificates for Redis are given, but its URL is without TLS", "write rediss:// in the URL")
    options: dict[str, Any] = {
        "username": username,
        "password": password,
        "decode_responses": False,
        "max_connections": CONNECTIONS,
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.01, cap=1), RETRIES),
        **tls,
    }
    return _client(scheme, rest, options)


def _client(scheme: str, rest: str, options: dict[str, Any]) -> Client:
    try:
        if scheme.endswith("+cluster"):
            # A slot that moved is learnt by itself. Otherwise each fifth one closes all connections, and others are using them.
            return RedisCluster.from_url(f"{scheme.removesuffix('+cluster')}://{rest}", reinitialize_steps=0, **options)
        # A primary that became a replica keeps its connections: a retry drops this one and asks for the address again.
        return Redis.from_url(f"{scheme}://{rest}", retry_on_error=[ReadOnlyError], **options)
    except (ValueError, RedisClusterException):
        # The cause may quote a part of the password, so it is left out.
        hint = "e.g. redis://host:6379/0, rediss://…, unix:///path, redis+cluster://host:6379; percent-encode the password"
        raise StoreRejected("the Redis URL cannot be read", hint) from None


@translated
async def check(client: Client, writes: Keys | None = None) -> list[str]:
    """Warnings about settings under which figures could be lost. Raises a store error where Redis cannot be used.

    With `writes` it must also take writes. That is asked without leaving anything behind.
    """
    try:
        nodes = await _infos(client)
    except NoPermissionError:
        warnings = ["the Redis user may not run INFO, so persistence and memory policy are unchecked"]
    else:
        warnings = list(dict.fromkeys(warning for node in nodes for warning in _warnings(node)))
    for key in _pulses(client, writes) if writes else ():
        await client.set(key, b"", xx=True)  # a write is refused before its key, which is never there, is looked for
    return warnings


def _pulses(client: Client, keys: Keys) -> list[str]:
    """A key on each primary: one alone may be full, or cut off from its replicas."""
    if not isinstance(client, RedisCluster):
        return [keys.pulse(0)]
    primaries, found = len(client.get_primaries()), dict[str, str]()
    for key in map(keys.pulse, range(MOST_PULSES)):
        if primary := client.get_node_from_key(key):
            found.setdefault(primary.name, key)
        if len(found) == primaries:
            break
    return list(found.values())


async def _infos(client: Client) -> list[Mapping[str, Any]]:
    if isinstance(client, RedisCluster):
        await client.initialize()
        return [await client.info(target_nodes=node) for node in client.get_primaries()]
    return [await client.info()]


def _warnings(info: Mapping[str, Any]) -> list[str]:
    warnings = []
    version = str(info["redis_version"])
    if int(version.partition(".")[0]) < OLDEST_TRUSTED_MAJOR:
        warnings.append(f"Redis {version} is older than 7: a power cut may tear its append-only file")
    if not int(info["aof_enabled"]):
        warnings.append(
            "Redis keeps no append-only file: a restart loses figures older than the topics keep; set appendonly yes"
        )
    if info["maxmemory_policy"] != "noeviction":
        policy = info["maxmemory_policy"]
        warnings.append(f"Redis may evict figures (maxmemory-policy {policy}): set maxmemory-policy noeviction")
    return warnings


@translated
async def pseudonym_key(client: Client, keys: Keys) -> bytes:
    """The 32 random bytes with which all workers make pseudonyms; created once, by whoever comes first."""
    await client.set(keys.pseudonym_key, secrets.token_bytes(32), nx=True)
    key = await client.get(keys.pseudonym_key)
    if not isinstance(key, bytes):
        raise StoreUnavailable("Redis: the key for pseudonyms vanished as it was read", "is it evicting keys?")
    return key


async def keep_pseudonym_key(client: Client, keys: Keys, key: bytes) -> None:
    """Puts the key back where Redis lost it, for ever: under another one nobody could go on with what workers have counted."""
    while True:
        with suppress(StoreUnavailable):
            await _put_back(client, keys, key)
        await asyncio.sleep(KEY_SECONDS)


@translated
async def _put_back(client: Client, keys: Keys, key: bytes) -> None:
    if await client.set(keys.pseudonym_key, key, nx=True):
        log.warning("Redis had lost the key for pseudonyms; it is there again")
