"""PagerDuty Events API v2: an incident is triggered, acknowledged and resolved under one dedup_key."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from monitor.errors import DeliveryError
from monitor.ledger.facts import Facts, facts_of
from monitor.ledger.moments import moment, rfc3339
from monitor.ledger.wording import clip
from monitor.notify.delivery import Delivery
from monitor.notify.http import Http, Reply
from monitor.notify.message import Message, compose

URL: Final = "https://events.pagerduty.com/v2/enqueue"
SUMMARY: Final = 1_024
DEDUP_KEY: Final = 255
MOST_BYTES: Final = 512_000
_THROTTLED_S: Final = 60.0

_ACTIONS: Final = {"acknowledged": "acknowledge", "resolved": "resolve"}


class PagerDuty:
    """Sends to one routing key; `url` in its settings stands for another address, as of the EU region."""

    def __init__(self, settings: Mapping[str, str], env: str) -> None:
        self._routing_key = settings["routing_key"]
        self._url = settings.get("url", URL)
        self._env = env
        self._http = Http([self._routing_key])

    def send(self, delivery: Delivery) -> str:
        """Post the event and return PagerDuty's answer; raises DeliveryError."""
        sent = event(self._routing_key, self._env, delivery.event, delivery.payload)
        reply = self._http.post(self._url, encoded(sent))
        if reply.status == 202:
            return reply.shown
        raise _refusal(reply)

    def close(self) -> None:
        self._http.close()


def event(routing_key: str, env: str, what: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of one event. Acknowledge and resolve carry no payload."""
    action = _ACTIONS.get(what, "trigger")
    sent: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(env, str(payload.get("incident_id"))),
    }
    if action == "trigger":
        sent |= _trigger(env, compose(what, payload), facts_of(payload["facts"]))
    return sent


def dedup_key(env: str, incident_id: str) -> str:
    """`<name>/<incident>`: at most 255 characters, the incident's id whole."""
    return f"{clip(env, DEDUP_KEY - len(incident_id) - 1)}/{incident_id}"


def _trigger(env: str, message: Message, facts: Facts) -> dict[str, Any]:
    shown = {
        "summary": clip(message.headline, SUMMARY),
        "source": clip(f"tocsin/{env}", 255),
        "severity": facts.severity,
        "timestamp": rfc3339(moment(facts.onset_ms)),
        "component": clip(facts.stream, 255),
        "group": clip(facts.labels.get("team", ""), 255),
        "class": clip(facts.signal or facts.rule, 255),
        "custom_details": {
            "story": message.story,
            "about": list(message.context),
            "next": list(message.commands),
            "labels": dict(facts.labels),
        },
    }
    links = [{"href": address, "text": label} for label, address in message.links]
    return {
        "client": "tocsin",
        "payload": {key: value for key, value in shown.items() if value},
        **({"links": links} if links else {}),
    }


def encoded(sent: dict[str, Any]) -> bytes:
    """The event as JSON; its details are left out where it would be too large for PagerDuty."""
    whole = msgspec.json.encode(sent)
    if len(whole) <= MOST_BYTES:
        return whole
    shorter = {key: value for key, value in sent["payload"].items() if key != "custom_details"}
    return msgspec.json.encode(sent | {"payload": shorter})


def _refusal(reply: Reply) -> DeliveryError:
    refusal = reply.refusal(permanent=True if reply.status == 400 else None)
    if reply.status == 429:
        refusal.retry_after_s = max(_THROTTLED_S, reply.retry_after_s or 0.0)
    return refusal
