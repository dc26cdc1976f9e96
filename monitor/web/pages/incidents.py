"""The page of an incident: its report, with what can be done about it."""

from collections.abc import Collection
from typing import Any, Final

from markupsafe import Markup
from sqlalchemy import Connection, text
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.judge.accepting import referenced
from monitor.postmortem import page
from monitor.postmortem.chart import NARROW, WIDTH
from monitor.postmortem.page import Answers
from monitor.postmortem.queries import QUERIES, answer
from monitor.postmortem.words import story
from monitor.web.pages.acts import OUTCOMES
from monitor.web.pages.charts import pane, picture, svg
from monitor.web.pages.shell import HEADERS, STANDALONE
from monitor.web.pages.site import Site
from monitor.web.plots.drawn import Size

# Only Tocsin's own have one: what is wrong with alerts.yaml, who could not be told.
_DETAIL: Final = text("SELECT facts ->> 'detail' FROM tocsin_ledger.incident WHERE incident_id = :incident")
ALL: Final = tuple(query.name for query in QUERIES)
# The report has its style and its chart inside.
_OF_REPORT: Final = {**HEADERS, "content-security-policy": STANDALONE}


def incident_routes(site: Site) -> list[Route]:
    """The page, the chart in it, and the report as a file."""

    async def shown(request: Request) -> Response:
        incident, answers = await _asked(site, request)
        row = answers["fired"].rows[0]
        detail = await site.reading.read(lambda conn: conn.execute(_DETAIL, {"incident": incident}).scalar())
        drawn = page.drawable(answers)
        return site.shell.page(
            request,
            "incident.html",
            row=row,
            incident=incident,
            story=[*filter(None, [detail]), *story(answers)],
            sections=Markup(page.sections(answers)),  # noqa: S704, a tree that escaped whatever it holds
            drawn=drawn,
            caption=page.CAPTION,
            why_not=page.undrawn(answers),
            outcomes=OUTCOMES,
            acceptable=row.state == "firing" and referenced(site.config, row.signal) is not None,
        )

    async def chart(request: Request) -> Response:
        width = NARROW if request.query_params.get("size") == Size.SMALL else WIDTH
        key = (request.path_params["incident"], width, pane())
        found = site.drawing.found(key)
        if found is not None:
            return svg(found)
        _, answers = await _asked(site, request, page.CHARTED)
        if not page.drawable(answers):
            raise HTTPException(404, page.undrawn(answers))
        return await picture(site, key, page.described(answers, width))

    async def report(request: Request) -> Response:
        incident, answers = await _asked(site, request)
        html = await site.drawing.run(lambda: page.page(incident, answers))
        headers = _OF_REPORT | {"content-disposition": f'attachment; filename="incident-{incident}.html"'}
        return Response(html, 200, headers, "text/html")

    return [
        Route("/incidents/{incident}/signal.svg", chart, methods=["GET"]),
        Route("/incidents/{incident}/report.html", report, methods=["GET"]),
        Route("/incidents/{incident}", shown, methods=["GET"]),
    ]


async def _asked(site: Site, request: Request, names: Collection[str] = ALL) -> tuple[str, Answers]:
    incident: str = request.path_params["incident"]

    def ask(conn: Connection) -> dict[str, Any]:
        return {query.name: answer(conn, query, incident) for query in QUERIES if query.name in names}

    answers = await site.reading.read(ask)
    if not answers["fired"].rows:
        raise HTTPException(404, "there is no such incident")
    return incident, answers
