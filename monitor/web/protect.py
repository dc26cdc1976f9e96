"""What stands before every page: a limit for each client, the token, and the size and time of a body."""

import asyncio
import hmac
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from monitor.web.answers import refusal
from monitor.web.origin import is_local
from monitor.web.session import Sessions

PROBES: Final = ("/healthz", "/readyz")
LOGIN: Final = "/login"
STATIC: Final = "/static/"
FOR_PROGRAMS: Final = ("/api/", "/ofrep/", "/metrics", "/openapi.json")
"""What only a token opens, and no session."""
MOST_BYTES: Final = 64 << 10
BODY_S: Final = 10.0
MOST_CLIENTS: Final = 10_000

NOT_LOCAL: Final = (
    "without http.token pages are for this machine alone: ask for them at 127.0.0.1 or localhost"
)


@dataclass(frozen=True, slots=True)
class Rate:
    """`per_s` requests a second from one address, and `burst` at once."""

    per_s: float = 100.0
    burst: float = 500.0


class Limiter:
    """A bucket of tokens for each client; the address that was quiet longest is forgotten first."""

    def __init__(self, rate: Rate, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._monotonic = rate, monotonic
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """0 where the request may go on, else the seconds until one may."""
        now = self._monotonic()
        left, since = self._buckets.pop(client, (self._rate.burst, now))
        left = min(self._rate.burst, left + (now - since) * self._rate.per_s)
        allowed = left >= 1
        self._buckets[client] = (left - 1 if allowed else left, now)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
        return 0.0 if allowed else (1 - left) / self._rate.per_s


class _Refused(Exception):
    def __init__(self, details: str, status: int) -> None:
        self.details, self.status = details, status
        super().__init__(details)


class Protected:
    """Only what is asked often enough, by whom may ask, and in a body of reasonable size reaches `app`.

    Liveness and readiness never need the token and are not limited.
    """

    def __init__(self, app: ASGIApp, token: str | None, rate: Rate, sessions: Sessions | None = None) -> None:
        self._app, self._token, self._limiter, self._sessions = app, token, Limiter(rate), sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        wait_s = self._limiter.wait_s(request.client.host if request.client else "")
        if wait_s:
            headers = {"retry-after": str(math.ceil(wait_s))}
            await refusal("too many requests from this address", 429, headers)(scope, receive, send)
        elif "\0" in scope["path"] or b"%00" in scope["query_string"]:
            # Postgres has no text with it.
            await refusal("no address has a byte of zero", 400)(scope, receive, send)
        elif self._token is None and not is_for_programs(request) and not is_local(request):
            await refusal(NOT_LOCAL, 403)(scope, receive, send)
        elif self._token is not None and not self._may(request, self._token):
            await self._turned_away(request)(scope, receive, send)
        else:
            await self._bounded(scope, receive, send)

    def _may(self, request: Request, token: str) -> bool:
        """By the token, or with pages for people by a session; pages before signing in are open."""
        if _knows(request, token):
            return True
        if self._sessions is None or is_for_programs(request):
            return False
        is_open = request.url.path == LOGIN or request.url.path.startswith(STATIC)
        return is_open or self._sessions.of(request) is not None

    def _turned_away(self, request: Request) -> Response:
        if self._sessions is not None and request.method == "GET" and wants_page(request):
            asked = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(
                f"{LOGIN}?next={quote(asked, safe='')}", 303, {"cache-control": "no-store"}
            )
        details = "this needs the token of http.token, as bearer token or X-API-Key"
        return refusal(details, 401, {"www-authenticate": "Bearer"})

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, _Body(receive), sending)
        except _Refused as refused:
            if not begun:
                response = refusal(refused.details, refused.status, {"connection": "close"})
                await response(scope, receive, send)


class _Body:
    """Receives at most `MOST_BYTES`, all of them within `BODY_S`."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._left, self._done = receive, MOST_BYTES, False
        self._until = time.monotonic() + BODY_S

    async def __call__(self) -> Message:
        if self._done:
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._until - time.monotonic()))
        except TimeoutError:
            raise _Refused(f"the body did not come within {BODY_S:.0f} s", 408) from None
        self._left -= len(message.get("body", b""))
        self._done = not message.get("more_body", False)
        if self._left < 0:
            raise _Refused(f"the body is larger than {MOST_BYTES:,} bytes", 413)
        return message


def is_for_programs(request: Request) -> bool:
    """Whether what is asked for is no page for people."""
    return request.url.path.startswith(FOR_PROGRAMS)


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page."""
    return not is_for_programs(request) and "text/html" in request.headers.get("accept", "")


def _knows(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    bearer = given.strip() if scheme.lower() == "bearer" else ""
    shown = [bearer, request.headers.get("x-api-key", "").strip()]
    return any(hmac.compare_digest(each.encode(), token.encode()) for each in shown)
