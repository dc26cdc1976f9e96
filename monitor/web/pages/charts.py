"""`/charts/<stream>/<signal>.svg`: a signal over the last hours, drawn when it is looked at."""

import time
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.records.delta import PANE_MS
from monitor.web.pages import watched
from monitor.web.pages.shell import STANDALONE
from monitor.web.pages.site import Site
from monitor.web.plots import limits, measures
from monitor.web.plots.drawing import EXTRA, can_draw
from monitor.web.plots.drawn import Plot, Size, described
from monitor.web.plots.history import LASTS, Wanted, drawn_step, histories, lived, until

HEADERS: Final[Mapping[str, str]] = {
    "cache-control": f"private, max-age={PANE_MS // 1000}",
    "content-security-policy": STANDALONE,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
BUSY: Final = "too many plots wait to be drawn: try again"


def chart_routes(site: Site) -> list[Route]:
    """The one route."""

    async def chart(request: Request) -> Response:
        signal = watched.signal_of(site.config, request.path_params["signal"])
        if signal is None or not watched.has_history(signal):
            raise HTTPException(404, "there is no such signal")
        if not can_draw():
            raise HTTPException(404, EXTRA)
        small = request.query_params.get("size") == Size.SMALL
        size = Size.SMALL if small else Size.LARGE
        name = request.path_params["stream"]
        key = (name, signal.code, size, site.config.config_hash, pane())
        found = site.drawing.found(key)
        if found is not None:
            return svg(found)
        plot = await site.reading.read(lambda conn: _plot(conn, site, name, signal))
        return await picture(site, key, described(plot, size))

    return [Route("/charts/{stream:path}/{signal}.svg", chart, methods=["GET"])]


def pane() -> int:
    """The pane that it is now: a plot is drawn once in it at most."""
    return time.time_ns() // 1_000_000 // PANE_MS


async def picture(site: Site, key: tuple[object, ...], spec: Mapping[str, Any]) -> Response:
    """A plot, drawn now."""
    try:
        return svg(await site.drawing.drawn(key, spec))
    except TimeoutError:
        raise HTTPException(503, BUSY) from None


def svg(drawn: str) -> Response:
    """A plot as an image that may be kept for a pane."""
    return Response(drawn, 200, dict(HEADERS), "image/svg+xml")


def _plot(conn: Connection, site: Site, name: str, signal: Any) -> Plot:
    stream = watched.one(conn, None, name)
    if stream is None:
        raise HTTPException(404, "there is no such stream")
    end = until(stream.row.last_seen)
    lasts = lived(stream.row.first_seen, end, LASTS)
    wanted = Wanted(stream.row.stream_id, signal, end - lasts, end)
    history = histories(conn, [wanted], drawn_step(lasts))[wanted.key]
    usual = measures.usual(history)
    passed = limits.lines(
        site.config, watched.labels_of(site.config, stream.row), signal, usual, stream.firing
    )
    return Plot(signal, wanted.since, wanted.until, measures.over_time(history), usual, passed)
