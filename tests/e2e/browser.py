"""A headless Chromium that looks at a page, told what to do through two pipes in its DevTools protocol.

https://chromedevtools.github.io/devtools-protocol/: messages are JSON, each ended by a NUL; Chromium reads them from
descriptor 3 and answers on descriptor 4.
"""

import base64
import fcntl
import itertools
import json
import os
import select
import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.services.service import on_path

ANSWER_SECONDS = 30
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")


class Browser:
    """One page on a screen of so many CSS pixels."""

    def __init__(self, directory: Path, width: int, height: int = 844) -> None:
        self._executable = on_path("chromium", "chromium-browser", "google-chrome")
        self._profile = directory / "chromium"
        self._screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": True}
        self._numbers = itertools.count(1)
        self._session: dict[str, str] = {}
        self._unread = b""

    def __enter__(self) -> Self:
        their_in, self._out = os.pipe()
        self._in, their_out = os.pipe()
        high_in, high_out = (fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in (their_in, their_out))
        arguments = [self._executable, *FLAGS, "--remote-debugging-pipe", f"--user-data-dir={self._profile}", "about:blank"]
        null = os.open(os.devnull, os.O_RDWR)
        places = [(null, 1), (null, 2), (high_in, 3), (high_out, 4)]
        actions = [(os.POSIX_SPAWN_DUP2, end, place) for end, place in places]
        self._pid = os.posix_spawn(self._executable, arguments, os.environ, file_actions=actions)
        for end in (their_in, their_out, high_in, high_out, null):
            os.close(end)
        self._attach()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._in)
        os.close(self._out)

    def open(self, url: str) -> None:
        self._ask("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        return self._ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def text(self) -> str:
        """What a person can read."""
        return self.evaluate("document.body.innerText")

    def screenshot(self, file: Path) -> None:
        """A PNG of the whole page."""
        image = self._ask("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        file.write_bytes(base64.b64decode(image))

    def _attach(self) -> None:
        pages = self._ask("Target.getTargets")["targetInfos"]
        page = next(target["targetId"] for target in pages if target["type"] == "page")
        self._session = {"sessionId": self._ask("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]}
        self._ask("Emulation.setDeviceMetricsOverride", **self._screen)

    def _ask(self, method: str, **parameters: object) -> Any:
        number = next(self._numbers)
        message = json.dumps({"id": number, "method": method, "params": parameters, **self._session})
        os.write(self._out, message.encode() + b"\0")
        deadline = time.monotonic() + ANSWER_SECONDS
        while (answer := self._read(deadline)).get("id") != number:
            pass
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def _read(self, deadline: float) -> dict[str, Any]:
        while b"\0" not in self._unread:
            assert select.select([self._in], [], [], max(0.0, deadline - time.monotonic()))[0], "Chromium does not answer"
            chunk = os.read(self._in, 1 << 16)
            assert chunk, "Chromium ended"
            self._unread += chunk
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)
