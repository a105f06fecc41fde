"""Connecting to Redis: every kind of URL, what is warned about, and what each refusal means."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from redis._parsers import _RESP2Parser
from redis.exceptions import ConnectionError as RedisConnectionError

from streams.state.errors import StoreError, StoreRejected, StoreUnavailable
from streams.state.keys import Keys
from streams.state.redis_client import KEY_SECONDS, check, connect, keep_pseudonym_key, pseudonym_key
from streams.state.redis_errors import _WAIT, store_error
from tests.services.redis import RedisServer
from tests.services.redis_cluster import RedisCluster
from tests.services.service import free_port

StartRedis = Callable[..., RedisServer]


async def _warnings(url: str, **options: str) -> list[str]:
    client = connect(url, **options)
    try:
        return await check(client)
    finally:
        await client.aclose()


async def test_a_server_that_keeps_everything_is_not_warned_about(start_redis: StartRedis) -> None:
    """Append-only file, no eviction, version 7: nothing to say."""
    assert await _warnings(start_redis(appendonly=True).url) == []


async def test_a_server_that_may_lose_figures_is_warned_about(start_redis: StartRedis) -> None:
    """Each warning names the setting that mends it."""
    server = start_redis(appendonly=False, options=["--maxmemory-policy", "allkeys-lru"])
    persistence, eviction = await _warnings(server.url)
    assert "appendonly yes" in persistence
    assert "maxmemory-policy noeviction" in eviction


async def test_an_old_version_is_warned_about(redis_6: RedisServer) -> None:
    """Redis 6 works, and is said to be older than it should be."""
    assert await _warnings(redis_6.url) == ["Redis 6.2.14 is older than 7: a power cut may tear its append-only file"]


async def test_a_cluster_is_checked_node_by_node(redis_cluster: RedisCluster) -> None:
    """Every primary is asked."""
    assert await _warnings(redis_cluster.url) == []


async def test_a_user_without_info_is_told_so(start_redis: StartRedis) -> None:
    """Missing the right to look is a warning, no reason to stop."""
    server = start_redis()
    client = connect(server.url)
    await client.execute_command("ACL", "SETUSER", "app", "on", ">pass", "~*", "+@all", "-info")
    await client.aclose()
    (warning,) = await _warnings(server.url, username="app", password="pass")
    assert "may not run INFO" in warning


REFUSALS = {  # what Redis says: options, and what makes it say so
    "OOM": ([], "CONFIG SET maxmemory 1"),
    "READONLY": ([], "REPLICAOF 127.0.0.1 1"),
    "NOREPLICAS": ([], "CONFIG SET min-replicas-to-write 1"),
    "MISCONF": (["--save", "3600 1", "--dbfilename", "taken"], "BGSAVE"),
}


@pytest.mark.parametrize("word", REFUSALS)
async def test_a_server_that_takes_no_writes_is_unavailable_to_those_who_write(start_redis: StartRedis, word: str) -> None:
    """Who only reads finds it well. Asking leaves nothing behind."""
    options, command = REFUSALS[word]
    server, keys = start_redis(options=options), Keys("refused")
    (server.directory / "taken").mkdir()  # nothing can be saved under this name
    client = connect(server.url)
    try:
        assert await check(client, keys) == []
        assert await client.dbsize() == 0
        await client.execute_command(*command.split())
        while (await client.info())["rdb_bgsave_in_progress"]:  # noqa: ASYNC110 - what is waited for is in Redis
            await asyncio.sleep(0.01)
        with pytest.raises(StoreUnavailable, match=re.escape(_WAIT[word])):
            await check(client, keys)
        assert await check(client) == []
    finally:
        await client.aclose()


async def test_one_full_primary_is_enough(start_redis_cluster: Callable[..., RedisCluster]) -> None:
    """Some partition lies on it, whichever it is."""
    cluster, keys = start_redis_cluster(), Keys("full")
    client = connect(cluster.url)
    try:
        assert await check(client, keys) == []
        for primary in cluster.primaries:
            assert primary.ask("CONFIG SET maxmemory 1").startswith("+OK")
            with pytest.raises(StoreUnavailable, match="maxmemory"):
                await check(client, keys)
            assert primary.ask("CONFIG SET maxmemory 0").startswith("+OK")
            assert await check(client, keys) == []
    finally:
        await client.aclose()


@pytest.mark.parametrize("rights", [["~other:*", "+@all"], ["~*", "+@all", "-@write"], ["~*", "+@all", "-@write", "-info"]])
async def test_a_user_who_may_not_write_is_rejected(start_redis: StartRedis, rights: list[str]) -> None:
    """Waiting would not help: the hint says who can."""
    server = start_redis()
    client = connect(server.url)
    await client.execute_command("ACL", "SETUSER", "app", "on", ">pass", *rights)
    await client.aclose()
    client = connect(server.url, username="app", password="pass")
    try:
        with pytest.raises(StoreRejected, match="ACL SETUSER"):
            await check(client, Keys("rights"))
    finally:
        await client.aclose()


async def test_check_names_a_wrong_password_and_a_server_that_is_down(start_redis: StartRedis) -> None:
    """The check fails with the same two errors as the store."""
    server = start_redis(password="right")
    with pytest.raises(StoreRejected, match="check user and password"):
        await _warnings(f"redis://127.0.0.1:{server.port}", password="guess")
    with pytest.raises(StoreUnavailable, match="is it running"):
        await _warnings(f"redis://127.0.0.1:{free_port()}")


async def test_a_cluster_with_a_wrong_password_is_rejected(start_redis: StartRedis) -> None:
    """The refusal is told apart from a cluster that cannot be reached."""
    server = start_redis(password="right", cluster=True)
    with pytest.raises(StoreRejected, match="check user and password"):
        await _warnings(server.url.replace("right", "guess"))
    assert await _warnings(server.url) == []


async def test_a_password_may_come_beside_the_url(start_redis: StartRedis) -> None:
    """A secret from a file need not be put into the URL."""
    server = start_redis(password="right")
    assert await _warnings(f"redis://127.0.0.1:{server.port}", password="right") == []


async def test_a_unix_socket_is_a_url(start_redis: StartRedis, tmp_path: Path) -> None:
    """A server on the same machine can be reached without a port."""
    socket = tmp_path / "redis.sock"
    start_redis(options=["--unixsocket", str(socket)])
    assert await _warnings(f"unix://{socket}") == []


async def test_tls_is_verified_with_the_given_authority(start_redis: StartRedis, tmp_path: Path) -> None:
    """A certificate is trusted when its authority is given, and refused when not."""
    cert, key = _certificate(tmp_path)
    port = free_port()
    files = ["--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert]
    start_redis(options=["--tls-port", str(port), *files, "--tls-auth-clients", "yes"])
    url = f"rediss://127.0.0.1:{port}"
    assert await _warnings(url, ca_file=cert, cert_file=cert, key_file=key) == []
    with pytest.raises(StoreUnavailable, match="certificate"):
        await _warnings(url)


def _certificate(directory: Path) -> tuple[str, str]:
    if not shutil.which("openssl"):
        pytest.skip("openssl is not installed")
    cert, key = str(directory / "cert.pem"), str(directory / "key.pem")
    subject = ["-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, *subject]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return cert, key


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "redis://:a/secret@host", "redis+cluster://h/3"])
def test_a_url_that_cannot_be_read_is_rejected(url: str) -> None:
    """The message shows the form, and nothing of a password that broke it."""
    with pytest.raises(StoreRejected, match="percent-encode") as caught:
        connect(url)
    assert "secret" not in str(caught.value)


def test_certificates_without_tls_are_rejected() -> None:
    """Who gives certificates means TLS, and would be shocked to find none."""
    with pytest.raises(StoreRejected, match="rediss://"):
        connect("redis://localhost", ca_file="/ca.pem")


async def test_all_workers_share_one_pseudonym_key(redis_server: RedisServer, redis_prefix: str) -> None:
    """Whoever comes first creates 32 bytes, everyone after gets the same; another prefix has its own."""
    client = connect(redis_server.url)
    try:
        first = await pseudonym_key(client, Keys(redis_prefix))
        assert len(first) == 32
        assert await pseudonym_key(client, Keys(redis_prefix)) == first
        assert await pseudonym_key(client, Keys(f"{redis_prefix}-other")) != first
    finally:
        await client.aclose()


async def test_a_pseudonym_key_that_redis_lost_is_put_back(redis_server: RedisServer, redis_prefix: str) -> None:
    """By those who know it, before somebody makes another; one that is there stays."""
    client, keys = connect(redis_server.url), Keys(redis_prefix)
    key = await pseudonym_key(client, keys)
    keeping = asyncio.create_task(keep_pseudonym_key(client, keys, key))
    try:
        await client.delete(keys.pseudonym_key)
        async with asyncio.timeout(10):
            while await client.get(keys.pseudonym_key) != key:  # noqa: ASYNC110 - what is waited for is in Redis
                await asyncio.sleep(0.01)
        await client.set(keys.pseudonym_key, b"of another")
        await asyncio.sleep(1.5 * KEY_SECONDS)
        assert await client.get(keys.pseudonym_key) == b"of another"
    finally:
        keeping.cancel()
        await client.aclose()


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ("LOADING Redis is loading the dataset in memory", StoreUnavailable),
        ("BUSY Redis is busy running a script.", StoreUnavailable),
        ("TRYAGAIN Multiple keys request during rehashing of slot", StoreUnavailable),
        ("CLUSTERDOWN The cluster is down", StoreUnavailable),
        ("NOREPLICAS Not enough good replicas to write.", StoreUnavailable),
        ("MISCONF Errors writing to the AOF file: No space left on device", StoreUnavailable),
        ("ERR Error running script: @user_script:7: -OOM command not allowed", StoreUnavailable),
        ("NOPERM this user has no permissions to run the 'evalsha' command", StoreRejected),
        ("ERR unknown command 'EVALSHA'", StoreRejected),
        ("MOVED 3999 10.0.0.7:6381", StoreRejected),
    ],
)
def test_each_refusal_has_one_meaning(answer: str, kind: type[StoreError]) -> None:
    """What an operator can mend while the store waits is unavailable, the rest is rejected; both come with a hint."""
    error = store_error(_RESP2Parser.parse_error(answer))
    assert type(error) is kind
    assert error.hint


def test_a_broken_connection_is_unavailable() -> None:
    """A connection that ends is waited for."""
    assert type(store_error(RedisConnectionError("Connection closed by server."))) is StoreUnavailable
