"""`/login` with the token of http.token, and `/logout`."""

import math
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.web.origin import FOREIGN, is_foreign
from monitor.web.pages.forms import Values, allowed, sent
from monitor.web.pages.site import Site
from monitor.web.protect import LOGIN, Limiter, Rate
from monitor.web.session import LONGEST_NAME, Sessions

ATTEMPTS: Final = Rate(per_s=0.2, burst=5)


def signing_in(site: Site, rate: Rate = ATTEMPTS) -> list[Route]:
    """The two routes; `rate` limits the attempts of one address."""
    limiter = Limiter(rate)

    async def login(request: Request) -> Response:
        if site.sessions is None:
            raise HTTPException(404, "there is no http.token in alerts.yaml, so nobody can sign in")
        if request.method != "POST":
            return _asking(site, request)
        if is_foreign(request):
            raise HTTPException(403, FOREIGN)
        wait_s = limiter.wait_s(request.client.host if request.client else "")
        if wait_s:
            return _asking(
                site, request, 429, f"too many attempts from this address: wait {math.ceil(wait_s)} s"
            )
        return _entered(site, site.sessions, request, await sent(request))

    async def logout(request: Request) -> Response:
        allowed(site, request, await sent(request))
        response = site.shell.onward(request, LOGIN, "You are signed out.")
        if site.sessions is not None:
            site.sessions.end(response)
        return response

    return [Route(LOGIN, login, methods=["GET", "POST"]), Route("/logout", logout, methods=["POST"])]


def _entered(site: Site, sessions: Sessions, request: Request, values: Values) -> Response:
    """A session for who knows the token."""
    name = " ".join(values.get("name", "").split())
    if not sessions.knows(values.get("token", "").strip()):
        return _asking(site, request, 403, "this is not the token of http.token", name)
    if len(name) > LONGEST_NAME or not name.isprintable():
        return _asking(site, request, 400, f"the name must be at most {LONGEST_NAME} printable characters")
    response = site.shell.onward(request, _onward(request))
    sessions.begin(response, request, name)
    return response


def _asking(site: Site, request: Request, status: int = 200, wrong: str = "", name: str = "") -> Response:
    onward = _onward(request)
    return site.shell.page(request, "login.html", status, onward=onward, wrong=wrong, given=name)


def _onward(request: Request) -> str:
    """Where to go after signing in: a page of this server, whatever was asked for."""
    onward = request.query_params.get("next", "/")
    is_path = onward.startswith("/") and not onward.startswith(("//", "/\\")) and onward.isprintable()
    return onward if is_path else "/"
