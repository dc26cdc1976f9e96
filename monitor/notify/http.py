"""One POST to a receiver: bounded in time and size, no redirect followed, nothing secret in what it says."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

import httpx

from monitor.errors import DeliveryError
from monitor.ledger.wording import clip
from monitor.notify.hiding import Hider
from monitor.tls import tls

DEADLINE_S: Final = 15.0
CONNECT_S: Final = 5.0
_MOST_BYTES: Final = 65_536
_SHOWN: Final = 200
_THROTTLED: Final = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered; `retry_after_s` where it wished for a pause."""

    status: int
    body: str
    retry_after_s: float | None

    @property
    def shown(self) -> str:
        """Status and beginning of the body, for `deliveries.response`."""
        printable = "".join(c if c.isprintable() else "\ufffd" for c in " ".join(self.body.split()))
        return clip(f"HTTP {self.status} {printable}".strip(), _SHOWN)

    @property
    def passing(self) -> bool:
        """Whether the same message may be taken later: all but the client errors that are not about load."""
        return self.status in _THROTTLED or not 400 <= self.status < 500

    def refusal(self, *, permanent: bool | None = None, why: str = "") -> DeliveryError:
        """This answer as an error; permanent by its status unless the protocol says otherwise."""
        if permanent is None:
            permanent = not self.passing
        message = f"answered {self.shown}" + (f" ({why})" if why else "")
        if 300 <= self.status < 400:
            message += "; redirects are not followed"
        return DeliveryError(
            message, permanent=permanent, retry_after_s=self.retry_after_s, response=self.shown
        )


class Http:
    """Connections to one receiver, shared by threads; what it says holds none of `secrets`."""

    def __init__(
        self,
        secrets: Iterable[str] = (),
        *,
        ca_file: str | None = None,
        deadline_s: float = DEADLINE_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        begin_s = min(CONNECT_S, deadline_s / 2)
        timeout = httpx.Timeout(deadline_s, connect=begin_s, write=begin_s, pool=begin_s)
        self._client = httpx.Client(timeout=timeout, follow_redirects=False, verify=tls(ca_file))
        self._deadline_s = deadline_s
        self._hide = Hider(secrets)
        self._monotonic = monotonic

    def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Reply:
        """Send `body` as JSON and read the answer; DeliveryError, not permanent, where none came in time."""
        deadline = self._monotonic() + self._deadline_s
        sent = {"content-type": "application/json", "user-agent": "tocsin"} | dict(headers or {})
        try:
            with self._client.stream("POST", url, content=body, headers=sent) as answer:
                text = self._read(answer, deadline)
                return Reply(answer.status_code, text, _retry_after_s(answer.headers.get("retry-after")))
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
            raise DeliveryError(self._hide(_reason(error, self._deadline_s)), permanent=False) from None

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _read(self, answer: httpx.Response, deadline: float) -> str:
        read = bytearray()
        for chunk in answer.iter_bytes():
            read += chunk
            if len(read) >= _MOST_BYTES:
                break
            if self._monotonic() > deadline:
                raise httpx.ReadTimeout("the answer did not end in time")
        return self._hide(bytes(read[:_MOST_BYTES]).decode("utf-8", "replace"))


def _reason(error: Exception, deadline_s: float) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"no answer in {deadline_s:g} s ({type(error).__name__})"
    return f"no answer: {clip(str(error), _SHOWN) or type(error).__name__}"


def _retry_after_s(value: str | None) -> float | None:
    """Retry-After, which is seconds or an HTTP date; None for anything else."""
    if value is None:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
