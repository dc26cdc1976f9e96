"""The generic webhook of an incident, signed as Standard Webhooks 1.0.0 says."""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from monitor.ledger.moments import moment, rfc3339
from monitor.ledger.wording import clip
from monitor.notify.delivery import Delivery, Taken
from monitor.notify.hiding import of_address
from monitor.notify.http import Http, Reply
from monitor.notify.message import compose
from monitor.notify.signing import key_of, signed_headers

MOST_BYTES: Final = 20_000
LONGEST: Final = 250
_GONE: Final = 410
OF_SWITCH: Final = ("tripped", "probing", "released")
_PRIVATE: Final = (
    *("facts", "kill", "switch", "switch_state", "switch_value"),
    *("held_back", "notified_at", "ended_at", "reopened"),
)


class Webhook:
    """Sends to one address; taken is any 2xx."""

    def __init__(
        self, settings: Mapping[str, Any], env: str, wall_s: Callable[[], float] = time.time
    ) -> None:
        self._url = settings["url"]
        self._secret = f"{settings['secret']} {settings.get('secret_previous', '')}".strip()
        for secret in self._secret.split():
            key_of(secret)
        self._http = Http([*of_address(self._url), *self._secret.split()], ca_file=settings.get("ca_file"))
        self._wall_s = wall_s

    def send(self, delivery: Delivery) -> Taken:
        """Post the message and return the answer; raises DeliveryError."""
        return post_signed(self._http, self._url, self._secret, delivery, encoded(delivery), self._wall_s())

    def close(self) -> None:
        self._http.close()


def post_signed(
    http: Http, url: str, secret: str | None, delivery: Delivery, body: bytes, at_s: float
) -> Taken:
    """One attempt, signed at `at_s`: the id stays the same through all of them, the timestamp does not."""
    reply = http.post(url, body, signed_headers(secret, delivery.delivery_id, int(at_s), body))
    if 200 <= reply.status < 300:
        return Taken(reply.shown)
    raise _refusal(reply)


def _refusal(reply: Reply) -> Exception:
    """Every failure may pass, as the standard has it, except 410: that address wants nothing any more."""
    return reply.refusal(permanent=reply.status == _GONE)


def encoded(delivery: Delivery) -> bytes:
    """`{type, timestamp, data}`, below 20 kB: labels go first, then what the text repeats, then the ends of texts."""
    told = data(delivery.event, delivery.payload)
    short = {key: clip(value, LONGEST) if isinstance(value, str) else value for key, value in told.items()}
    most = ("labels", "links", "also", "text")
    for row, drop in ((told, ()), (told, most[:2]), (told, most), (short, most)):
        kept = {key: value for key, value in row.items() if key not in drop}
        sent = {"type": type_of(delivery), "timestamp": rfc3339(moment(delivery.created_ms)), "data": kept}
        body = msgspec.json.encode(sent)
        if len(body) < MOST_BYTES:
            break
    return body


def type_of(delivery: Delivery) -> str:
    """`incident.opened` and the like; news of a kill switch has the type of its own webhook."""
    about = "kill_switch" if delivery.event in OF_SWITCH else "incident"
    return f"{about}.{delivery.event}"


def data(event: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The row of `incidents` with `text` and `links`; for news of a switch, what the switch's webhook got."""
    message = compose(event, payload)
    row = {key: value for key, value in payload.items() if key not in _PRIVATE}
    about = payload["switch"] if event in OF_SWITCH else row
    return {**about, "text": message.text, "links": {label.lower(): to for label, to in message.links}}
