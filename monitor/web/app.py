"""The pages that machines ask: is it alive, is it ready, how is it doing."""

import hmac
from collections.abc import Callable, Mapping

from prometheus_client.exposition import choose_encoder
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from monitor.web.metrics import registry
from monitor.web.status import Status


def web_app(status: Callable[[], Status], token: str | None) -> Starlette:
    """The pages `/healthz`, `/readyz` and `/metrics`; the last wants `token` as bearer token if there is one.

    `status` is called on a worker thread at every request and must not wait for anything.
    """

    def healthz(_: Request) -> Response:
        return _verdict("alive", status().alive)

    def readyz(_: Request) -> Response:
        return _verdict("ready", status().ready)

    metrics_registry = registry(status)

    def metrics(request: Request) -> Response:
        if token is not None and not _knows(request, token):
            return PlainTextResponse(
                "this page needs the bearer token of http.token\n", 401, {"WWW-Authenticate": "Bearer"}
            )
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        return Response(encode(metrics_registry), media_type=content_type)

    pages = {"/healthz": healthz, "/readyz": readyz, "/metrics": metrics}
    return Starlette(routes=[Route(path, page, methods=["GET"]) for path, page in pages.items()])


def _verdict(name: str, parts: Mapping[str, str | None]) -> Response:
    missing = {part: why for part, why in parts.items() if why is not None}
    body = {name: not missing, "parts": sorted(parts), "missing": missing}
    return JSONResponse(body, 503 if missing else 200)


def _knows(request: Request, token: str) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
