"""All that is served: probes, metrics and flags for machines, pages for people."""

from collections.abc import Awaitable, Callable, Mapping

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from monitor.errors import DependencyError
from monitor.web.answers import answer, refusal
from monitor.web.board import Switchboard
from monitor.web.kills import kill_routes
from monitor.web.metrics import registry
from monitor.web.ofrep import ofrep_routes
from monitor.web.openapi import openapi
from monitor.web.pages.routes import page_routes
from monitor.web.pages.site import Site
from monitor.web.protect import Protected, Rate, wants_page
from monitor.web.session import Sessions
from monitor.web.status import Status


def web_app(
    status: Callable[[], Status],
    token: str | None,
    board: Switchboard | None = None,
    rate: Rate = Rate(),  # noqa: B008
) -> Starlette:
    """`/healthz`, `/readyz`, `/metrics`, and with a `board` the flags and changes of its kill switches, and the pages.

    All but the first two want `token` if there is one. `status` is called on a worker thread at every request and
    must not wait for anything.
    """

    def healthz(_: Request) -> Response:
        return _verdict("alive", status().alive)

    def readyz(_: Request) -> Response:
        return _verdict("ready", status().ready)

    metrics_registry = registry(status)

    def metrics(request: Request) -> Response:
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics_registry), media_type=content_type)

    pages = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}
    routes = [Route(path, page, methods=["GET"]) for path, page in pages.items()]
    sessions = Sessions(token) if token is not None and board is not None else None
    site = None if board is None else Site(status, board, sessions)
    if board is not None and site is not None:
        document = openapi()
        routes.append(Route("/openapi.json", lambda _: answer(document), methods=["GET"]))
        routes += ofrep_routes(board) + kill_routes(board, token=token is not None) + page_routes(site)
    return Starlette(
        routes=routes,
        middleware=[Middleware(Protected, token=token, rate=rate, sessions=sessions)],
        exception_handlers={HTTPException: _refused(site), DependencyError: _unreachable(site)},
    )


Handler = Callable[[Request, Exception], Awaitable[Response]]


def _refused(site: Site | None) -> Handler:
    """Unknown pages and methods: a page for a browser, else in the form of all other errors."""

    async def refused(request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        if site is not None and wants_page(request):
            return site.shell.page(request, "trouble.html", error.status_code, said=error.detail, known=None)
        return refusal(error.detail, error.status_code, dict(error.headers or {}))

    return refused


def _unreachable(site: Site | None) -> Handler:
    """The ledger cannot be read: a browser is told what is known without it."""

    async def unreachable(request: Request, error: Exception) -> Response:
        if site is None or not wants_page(request):
            return refusal(str(error), 503)
        known = await site.known()
        return site.shell.page(request, "trouble.html", 503, said=str(error), known=known or Status())

    return unreachable


def _verdict(name: str, parts: Mapping[str, str | None]) -> Response:
    missing = {part: why for part, why in parts.items() if why is not None}
    body = {name: not missing, "parts": sorted(parts), "missing": missing}
    return JSONResponse(body, 503 if missing else 200)
