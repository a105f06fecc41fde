"""From a URL to a route: no query, no fragment, no ids. Keeps personal data and endless values out of the figures."""

import re
from functools import lru_cache
from urllib.parse import urlsplit

MAX_LENGTH = 128

_ID = re.compile(
    r"\d+"  # 1234
    r"|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"  # a UUID
    r"|(?=[^/]*\d)[0-9a-f]{12,}"  # a hash
    r"|(?=[^/]*\d)(?=[^/]*[A-Za-z])[A-Za-z0-9_-]{20,}",  # a token
    re.IGNORECASE,
)


def route(url: str) -> str:
    """`https://shop.example/orders/1234?x=1#top` → `/orders/:id`."""
    return _read(_bare(url))[1]


def host(url: str) -> str:
    """`https://Shop.example:8443/a` → `shop.example`; an empty string where there is none."""
    return _read(_bare(url))[0]


def _bare(url: str) -> str:
    """Without query and fragment, of which hardly any comes twice."""
    return url.partition("?")[0].partition("#")[0]


@lru_cache(maxsize=16_384)  # at most 2 kB each
def _read(url: str) -> tuple[str, str]:
    name, path = _split(url)
    return name[:MAX_LENGTH], "/".join(":id" if _ID.fullmatch(part) else part for part in (path or "/").split("/"))[:MAX_LENGTH]


def _split(url: str) -> tuple[str, str]:
    try:
        parts = urlsplit(url)
        return (parts.hostname or "").lower(), parts.path
    except ValueError:  # a broken IPv6 host: no host, and all of it is the path
        return "", url
