"""`/incidents`: all that ever were, by what one remembers of them."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.errors import UsageError
from monitor.ledger.incident_search import OUTCOMES, SEVERITIES, STATES, UNSAID, Found, Wanted
from monitor.web.pages.site import Site

MOST_SHOWN: Final = 50
FILTERS: Final = ("stream", "rule", "severity", "state", "outcome", "since")
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "severity": SEVERITIES,
    "state": STATES,
    "outcome": OUTCOMES,
}
_NOTHING: Final = Found((), more=False)


def search_route(site: Site) -> Route:
    """The one route."""

    async def page(request: Request) -> Response:
        filters = {name: value for name in FILTERS if (value := request.query_params.get(name, "").strip())}
        before = request.query_params.get("before") or None
        found, wrong = _NOTHING, ""
        try:
            wanted = wanted_of(filters)
            found = await site.reading.read(lambda conn: wanted.newest(conn, MOST_SHOWN, before))
        except UsageError as mistake:
            wrong = str(mistake)
        return site.shell.page(
            request,
            "incidents.html",
            400 if wrong else 200,
            found=found,
            wrong=wrong,
            filters=filters,
            before=before,
            choices=CHOICES,
            rules=sorted({rule.name for rule in site.config.rules}),
            words=in_words,
        )

    return Route("/incidents", page, methods=["GET"])


def wanted_of(filters: Mapping[str, str]) -> Wanted:
    """Which incidents these filters leave; raises UsageError."""
    for name, known in CHOICES.items():
        if filters.get(name, known[0]) not in known:
            raise UsageError(f"{filters[name]} is no {name}: choose one of the list")
    return Wanted.of(filters)


def in_words(value: str) -> str:
    """An outcome or another choice as people read it."""
    return "not said" if value == UNSAID else value.replace("_", " ")
