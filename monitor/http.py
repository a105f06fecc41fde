"""What every answer has in common: headers that keep browsers careful, and errors that say what to do."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.query import Refused

_HEADERS = {
    # own files only, no inline script or style: a hostile app name that slipped through escaping could still do nothing
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}
_HINTS = {
    404: "The page is at /, the API at /api/v1/catalogue, metrics at /metrics.",
    405: "Everything here is read with GET.",
}


class SecurityHeaders:
    """ASGI middleware that adds the headers above where an answer has not set them itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def answer_errors(app: FastAPI) -> None:
    """Makes every error a JSON body with `error`, `message` and `hint`; what went wrong inside goes to the log only."""

    @app.exception_handler(Refused)
    async def refused(_: Request, problem: Refused) -> JSONResponse:
        return JSONResponse(problem.body, problem.status)

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, problem: HTTPException) -> JSONResponse:
        phrase = HTTPStatus(problem.status_code).phrase
        code = phrase.lower().replace(" ", "_").replace("-", "_")
        body = {"error": code, "message": f"{phrase}.", "hint": _HINTS.get(problem.status_code, "")}
        return JSONResponse(body, problem.status_code, headers=problem.headers)

    @app.exception_handler(Exception)
    async def fault(_: Request, __: Exception) -> JSONResponse:
        body = {
            "error": "internal",
            "message": "This could not be answered.",
            "hint": "The log says why; please report it.",
        }
        return JSONResponse(body, 500)
