"""The frame of every page: templates, headers, who has signed in, and what is to be said first."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from monitor.config.matchers import written
from monitor.ledger.moments import moment
from monitor.ledger.wording import duration
from monitor.postmortem.markup import shown
from monitor.web.pages.address import incident_page, incidents_page, plot_of, silence_page, stream_page
from monitor.web.session import NOTICE, Session, Sessions

STANDALONE: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
"""The content security policy of a file that has its style inside, and is no page: a plot, a report."""
HEADERS: Final[Mapping[str, str]] = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
STATIC: Final[Mapping[str, str]] = {
    "style.css": "text/css",
    "refresh.js": "text/javascript",
    "review.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Shell:
    """Renders templates into the frame; `name` is that of alerts.yaml, `sessions` None where there is no token."""

    name: str
    sessions: Sessions | None

    def session(self, request: Request) -> Session | None:
        """Who asks, where signing in is a thing."""
        return self.sessions.of(request) if self.sessions else None

    def page(self, request: Request, template: str, code: int = 200, **values: Any) -> Response:
        """A page of templates/; autoescaped, and no cache may keep it."""
        session = self.session(request)
        frame = {
            "name": self.name,
            "path": request.url.path,
            "session": session,
            "can_sign_in": self.sessions is not None,
            "stamp": self.sessions.stamp(session) if self.sessions and session else "",
            "notice": self.sessions.told(request) if self.sessions else "",
            "now": datetime.now(UTC),
        }
        html = _templates().get_template(template).render(frame | values)
        response = Response(html, code, dict(HEADERS), "text/html")
        if frame["notice"]:
            response.delete_cookie(NOTICE, path="/", httponly=True, samesite="lax")
        return response

    def onward(self, request: Request, to: str, notice: str = "") -> Response:
        """To another page of ours, which begins with `notice`."""
        response = RedirectResponse(to, 303, dict(HEADERS))
        if notice and self.sessions:
            self.sessions.tell(response, request, notice)
        return response


def static(name: str) -> Response:
    """A file of static/, which never changes under its address."""
    headers = {"cache-control": "public, max-age=31536000, immutable", "x-content-type-options": "nosniff"}
    return Response(_static(name), 200, headers, STATIC[name])


@cache
def _static(name: str) -> bytes:
    return (files("monitor.web") / "static" / name).read_bytes()


@cache
def _address(name: str) -> str:
    return f"/static/{name}?{sha256(_static(name)).hexdigest()[:12]}"


@cache
def _templates() -> Environment:
    made = Environment(
        loader=PackageLoader("monitor.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "shown": shown,
        "ago": _ago,
        "moment": moment,
        "seconds": lambda seconds: duration(1000 * seconds),
        "matchers": written,
        "part": lambda text: quote(text, safe=""),
    }
    made.globals |= {"static": _address, "plot_of": plot_of, "incidents_page": incidents_page}
    made.globals |= {"incident_page": incident_page, "stream_page": stream_page, "silence_page": silence_page}
    return made


def _ago(at: datetime | None) -> str:
    """`3.2 min ago`, `in 2 h`; event time may be ahead of the clock."""
    if at is None:
        return "never"
    passed = (datetime.now(UTC) - at).total_seconds()
    if abs(passed) < 1:
        return "now"
    return f"{duration(1000 * passed)} ago" if passed > 0 else f"in {duration(-1000 * passed)}"
