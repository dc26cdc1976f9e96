"""The pages that machines ask: is it alive, is it ready, how is it doing, what do the kill switches say."""

from collections.abc import Callable, Mapping

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from monitor.web.answers import answer, refusal
from monitor.web.board import Switchboard
from monitor.web.kills import kill_routes
from monitor.web.metrics import registry
from monitor.web.ofrep import ofrep_routes
from monitor.web.openapi import openapi
from monitor.web.protect import Protected, Rate
from monitor.web.status import Status


def web_app(
    status: Callable[[], Status],
    token: str | None,
    board: Switchboard | None = None,
    rate: Rate = Rate(),  # noqa: B008
) -> Starlette:
    """`/healthz`, `/readyz`, `/metrics`, and with a `board` the flags and changes of its kill switches.

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
    if board is not None:
        document = openapi()
        routes.append(Route("/openapi.json", lambda _: answer(document), methods=["GET"]))
        routes += ofrep_routes(board) + kill_routes(board, token=token is not None)
    return Starlette(
        routes=routes,
        middleware=[Middleware(Protected, token=token, rate=rate)],
        exception_handlers={HTTPException: _refused},
    )


def _refused(_: Request, error: Exception) -> Response:
    """Unknown pages and methods are told in the form of all other errors."""
    if not isinstance(error, HTTPException):
        raise error
    return refusal(error.detail, error.status_code, dict(error.headers or {}))


def _verdict(name: str, parts: Mapping[str, str | None]) -> Response:
    missing = {part: why for part, why in parts.items() if why is not None}
    body = {name: not missing, "parts": sorted(parts), "missing": missing}
    return JSONResponse(body, 503 if missing else 200)
