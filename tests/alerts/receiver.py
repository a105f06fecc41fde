"""An HTTP server that takes notifications and answers as it is told."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.services.http import listening


@dataclass(frozen=True)
class Request:
    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """Answers 200 with `said`, or what stands in `answers` first: a status, or a status with headers. `drips`: a byte of its
    answer at a time, so many seconds apart."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: list[int | tuple[int, dict[str, str]]] = []
        self.requests: list[Request] = []
        self.said = b"ok"
        self.drips: float | None = None


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a port of its own."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): text for name, text in self.headers.items()}
            receiver.requests.append(Request(self.path, headers, body))
            answer = receiver.answers.pop(0) if receiver.answers else 200
            status, extra = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, text in {**extra, "content-length": str(len(receiver.said))}.items():
                self.send_header(name, text)
            self.end_headers()
            with suppress(OSError):  # whoever asked has heard enough
                if receiver.drips is None:
                    self.wfile.write(receiver.said)
                    return
                for byte in receiver.said:
                    self.wfile.write(bytes([byte]))
                    time.sleep(receiver.drips)

        def log_message(self, *_: Any) -> None:
            pass

    with listening(Handler) as url:
        receiver = Receiver(f"{url}/hook?key=secret")
        yield receiver
