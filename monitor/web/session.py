"""Who has signed in: a cookie signed by a key that comes from http.token, so every replica knows it, and a changed
token ends it. Nothing is kept in memory.
"""

import hmac
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final

from itsdangerous import BadData, Signer, URLSafeTimedSerializer
from starlette.requests import Request
from starlette.responses import Response

COOKIE: Final = "tocsin_session"
NOTICE: Final = "tocsin_notice"
LASTS_S: Final = 12 * 3_600
NOTICE_S: Final = 60
LONGEST_NAME: Final = 80


@dataclass(frozen=True, slots=True)
class Session:
    """One that is signed in; `key` is of this session alone, `name` as was given, "" where none was."""

    name: str
    key: str

    @property
    def actor(self) -> str:
        """Who it is in the audit."""
        return f"web: {self.name}" if self.name else "web"


class Sessions:
    """Makes and reads the cookies of `token`."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()
        how = {"key_derivation": "hmac", "digest_method": sha256}
        self._cookies = URLSafeTimedSerializer(token, salt="tocsin session", signer_kwargs=how)
        self._notices = URLSafeTimedSerializer(token, salt="tocsin notice", signer_kwargs=how)
        self._forms = Signer(token, salt="tocsin form", key_derivation="hmac", digest_method=sha256)

    def knows(self, token: str) -> bool:
        """Whether it is the token; takes as long either way."""
        return hmac.compare_digest(token.encode(), self._token)

    def begin(self, response: Response, request: Request, name: str) -> None:
        """Sign in whoever gets `response`."""
        session = {"name": name, "key": token_urlsafe(16)}
        self._give(response, request, COOKIE, self._cookies.dumps(session), LASTS_S)

    def end(self, response: Response) -> None:
        """Sign out whoever gets `response`."""
        response.delete_cookie(COOKIE, path="/", httponly=True, samesite="lax")

    def of(self, request: Request) -> Session | None:
        """Who asks; None where nobody has signed in, or too long ago, or by another token."""
        try:
            found = self._cookies.loads(request.cookies.get(COOKIE, ""), max_age=LASTS_S)
            return Session(str(found["name"]), str(found["key"]))
        except (BadData, KeyError, TypeError):
            return None

    def stamp(self, session: Session) -> str:
        """What each form of a session holds, since no other site can know it."""
        return self._forms.get_signature(session.key).decode()

    def stamped(self, session: Session, given: str) -> bool:
        """Whether a form is of this session."""
        return self._forms.verify_signature(session.key, given)

    def tell(self, response: Response, request: Request, notice: str) -> None:
        """Say something on the next page."""
        self._give(response, request, NOTICE, self._notices.dumps(notice), NOTICE_S)

    def told(self, request: Request) -> str:
        """What is to be said on this page, "" for nothing."""
        try:
            return str(self._notices.loads(request.cookies.get(NOTICE, ""), max_age=NOTICE_S))
        except BadData:
            return ""

    # Lax: a link in a message finds who is signed in; what changes something asks where it comes from.
    def _give(self, response: Response, request: Request, name: str, value: str, lasts_s: int) -> None:
        response.set_cookie(
            name, value, max_age=lasts_s, path="/", secure=by_https(request), httponly=True, samesite="lax"
        )


def by_https(request: Request) -> bool:
    """Whether the browser speaks https, be it to a proxy."""
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto", "").lower())
