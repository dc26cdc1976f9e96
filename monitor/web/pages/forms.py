"""Forms that change something: what they ask, what they do, and who may."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.errors import DependencyError, UsageError
from monitor.web.kills import NOBODY_MAY
from monitor.web.origin import FOREIGN, is_foreign
from monitor.web.pages.site import Site
from monitor.web.session import Session

FIELDS: Final = 20
SIGN_IN: Final = "only who has signed in at /login may do this"
UNWRITTEN: Final = "the ledger cannot be written, so nothing was changed: try again"

Values = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to fill in; with `options` (value, words) one of them."""

    name: str
    label: str
    hint: str = ""
    options: tuple[tuple[str, str], ...] = ()
    required: bool = True
    longest: int = 2_000


@dataclass(frozen=True, slots=True)
class Form:
    """What a form says and asks; `hidden` goes with it as it is, `back` is where one goes who would rather not."""

    title: str
    does: tuple[str, ...]
    fields: tuple[Field, ...]
    submit: str
    back: str
    hidden: Values
    grave: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it, and the page that says so."""

    said: str
    to: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The values of the form, and of its address; `actor` is who it is in the audit."""

    values: Values
    actor: str


@dataclass(frozen=True, slots=True)
class Action:
    """Something people may do by a form at `path`.

    `form` makes it of what is known, and raises LookupError where there is no such thing; `about` says what the ledger
    has of it. `act` does it on a worker thread, and raises UsageError or DependencyError in one sentence.
    """

    path: str
    form: Callable[[Site, Values], Form]
    act: Callable[[Site, Asked], Done]
    about: Callable[[Connection, Values], str] = lambda conn, values: ""

    def route(self, site: Site) -> Route:
        """The form by GET, what it does by POST."""

        async def serve(request: Request) -> Response:
            if site.sessions is None:
                raise HTTPException(403, NOBODY_MAY)
            if request.method != "POST":
                return await self._asking(site, request, {**request.query_params, **request.path_params})
            values = {**await sent(request), **request.path_params}
            session = allowed(site, request, values)
            try:
                asked = Asked(values, session.actor)
                done = await site.act(lambda: self.act(site, asked))
            except UsageError as wrong:
                return await self._asking(site, request, values, 400, str(wrong))
            except DependencyError:
                return await self._asking(site, request, values, 503, UNWRITTEN)
            return site.shell.onward(request, done.to, done.said)

        return Route(self.path, serve, methods=["GET", "POST"])

    async def _asking(
        self, site: Site, request: Request, values: Values, status: int = 200, wrong: str = ""
    ) -> Response:
        try:
            form = self.form(site, values)
        except LookupError as unknown:
            raise HTTPException(404, str(unknown.args[0])) from None
        about = await self._about(site, values, needed=not wrong)
        return site.shell.page(
            request, "form.html", status, form=form, values=values, wrong=wrong, about=about
        )

    async def _about(self, site: Site, values: Values, *, needed: bool) -> str:
        """What it is about; where something is wrong already, the form goes back without it rather than not at all."""
        try:
            return await site.reading.read(lambda conn: self.about(conn, values))
        except DependencyError:
            if needed:
                raise
            return ""


def allowed(site: Site, request: Request, values: Values) -> Session:
    """Who sent a form from a page of this server; raises HTTPException where it was anything else."""
    session = site.shell.session(request)
    if site.sessions is None or session is None:
        raise HTTPException(403, SIGN_IN)
    if is_foreign(request) or not site.sessions.stamped(session, values.get("stamp", "")):
        raise HTTPException(403, FOREIGN)
    return session


async def sent(request: Request) -> dict[str, str]:
    """What a form holds; the last of a name counts, and files are none. Postgres has no text with a zero byte."""
    if not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        raise HTTPException(415, "a form must be sent as application/x-www-form-urlencoded")
    form = await request.form(max_fields=FIELDS, max_files=0)
    return {name: value.replace("\0", "") for name, value in form.items() if isinstance(value, str)}
