"""One POST, and what its answer means."""

import asyncio
import re
from collections.abc import Mapping
from urllib.parse import unquote

import httpx

from alerts.notify.target import Reason, Rejected, Unavailable

TIMEOUT_SECONDS = 10.0
_READ = 4_096  # bytes of an answer
_SHORTEST_SECRET = 6
_LONGEST_RETRY_AFTER_SECONDS = 3600.0
_TOO_MANY = 429
_REQUEST_TIMEOUT = 408
_ERRORS = 500


async def post(client: httpx.AsyncClient, url: str, body: bytes, headers: Mapping[str, str] = {}) -> None:
    """Returns on 2xx. Errors never quote the URL: it may carry a secret."""
    headers = {"content-type": "application/json", "accept-encoding": "identity", **headers}
    asked = client.stream("POST", url, content=body, headers=headers, timeout=TIMEOUT_SECONDS, follow_redirects=False)
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            async with asked as answer:
                said = b"" if answer.is_success else await _beginning(answer)
    except (httpx.TimeoutException, TimeoutError) as error:
        raise Unavailable(Reason.TIMEOUT, f"no answer in {TIMEOUT_SECONDS:.0f} s") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise Unavailable(Reason.UNREACHABLE, type(error).__name__) from error
    if not answer.is_success:
        raise _failure(answer, _without_secrets(said.decode(errors="replace"), url))


async def _beginning(answer: httpx.Response) -> bytes:
    said = b""
    async for part in answer.aiter_raw():
        said += part
        if len(said) >= _READ:
            break
    return said[:_READ]


def _without_secrets(text: str, url: str) -> str:
    """Servers like to repeat what they were asked, and whatever is long in a path or a query may be a key."""
    for part in sorted({*re.split(r"[/?&=]", url), *re.split(r"[/?&=]", unquote(url))}, key=len, reverse=True):
        if len(part) >= _SHORTEST_SECRET:
            text = text.replace(part, "…")
    return text


def _failure(answer: httpx.Response, said: str) -> Unavailable | Rejected:
    status = answer.status_code
    detail = f"HTTP {status} {said[:200].strip()}".strip()
    wait_ms = _retry_after_ms(answer)
    if status == _TOO_MANY:
        return Unavailable(Reason.RATE_LIMITED, detail, wait_ms)
    if status >= _ERRORS or status == _REQUEST_TIMEOUT:
        return Unavailable(Reason.SERVER_ERROR if status >= _ERRORS else Reason.TIMEOUT, detail, wait_ms)
    return Rejected(Reason.REJECTED, detail)


def _retry_after_ms(answer: httpx.Response) -> int:
    """What it asks for in seconds, no more than an hour; a date is not understood."""
    seconds = answer.headers.get("retry-after", "")
    if not (seconds.isascii() and seconds.isdigit()):
        return 0
    return round(min(float(seconds), _LONGEST_RETRY_AFTER_SECONDS) * 1000)  # float: int raises from 4,301 digits on
