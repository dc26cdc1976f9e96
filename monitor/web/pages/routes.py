"""The pages for people."""

from collections.abc import Awaitable, Callable
from typing import Final

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.web.board import Board
from monitor.web.pages import watched
from monitor.web.pages.acts import ACTIONS
from monitor.web.pages.charts import chart_routes
from monitor.web.pages.incidents import incident_routes
from monitor.web.pages.looked import Looked, looked_at
from monitor.web.pages.overview import Overview, overview, switches
from monitor.web.pages.review import MARK, review_routes
from monitor.web.pages.search import search_route
from monitor.web.pages.shell import STATIC, static
from monitor.web.pages.signin import signing_in
from monitor.web.pages.site import Site
from monitor.web.plots.drawing import can_draw
from monitor.web.status import Status

Serve = Callable[[Request], Awaitable[Response]]

MOST_LISTED: Final = 1_000


def page_routes(site: Site) -> list[Route]:
    """Status, streams, incidents, their charts, samples, forms, and signing in; /openapi.json is for programs alone."""
    pages = [
        Route("/", _status(site), methods=["GET"]),
        Route("/streams", _streams(site), methods=["GET"]),
        search_route(site),
        Route("/streams/{stream:path}", _stream(site), methods=["GET"]),
        Route("/static/{name}", _static, methods=["GET"]),
    ]
    actions = [action.route(site) for action in (*ACTIONS, MARK)]
    found = (
        pages + actions + incident_routes(site) + review_routes(site) + chart_routes(site) + signing_in(site)
    )
    for route in found:
        route.include_in_schema = False
    return found


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in STATIC:
        raise HTTPException(404, "there is no such file")
    return static(name)


def _status(site: Site) -> Serve:
    def ask(conn: Connection) -> tuple[Board, Overview, Status]:
        board = site.board.seen(conn)
        return board, overview(conn, site.config, board), site.status()

    async def serve(request: Request) -> Response:
        board, found, status = await site.reading.read(ask)
        return site.shell.page(
            request,
            "status.html",
            switches=switches(board),
            found=found,
            status=status,
            can_draw=can_draw(),
        )

    return serve


def _streams(site: Site) -> Serve:
    def ask(conn: Connection) -> list[watched.Stream]:
        board = site.board.seen(conn)
        return watched.streams(conn, board, watched.firing(conn), MOST_LISTED)

    async def serve(request: Request) -> Response:
        found = await site.reading.read(ask)
        return site.shell.page(request, "streams.html", found=found, most=MOST_LISTED)

    return serve


def _stream(site: Site) -> Serve:
    async def serve(request: Request) -> Response:
        name = request.path_params["stream"]

        def ask(conn: Connection) -> Looked | None:
            return looked_at(conn, site.config, site.board.seen(conn), name)

        found = await site.reading.read(ask)
        if found is None:
            raise HTTPException(404, "there is no such stream")
        return site.shell.page(request, "stream.html", found=found, can_draw=can_draw())

    return serve
