"""PagerDuty Events API v2: an incident is triggered, acknowledged and resolved under one dedup_key.

A new version of a model is a change event, which pages nobody and stands beside the incidents.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urljoin

import msgspec

from monitor.config.receiver_kinds import PAGERDUTY_URL
from monitor.errors import DeliveryError
from monitor.ledger.facts import Facts, facts_of
from monitor.ledger.moments import moment, rfc3339
from monitor.ledger.outbox import CHANGED, short_hash
from monitor.ledger.wording import clip
from monitor.notify.delivery import Delivery, Taken
from monitor.notify.http import Http, Reply
from monitor.notify.message import Message, compose

SUMMARY: Final = 1_024
DEDUP_KEY: Final = 255
MOST_BYTES: Final = 512_000
_THROTTLED_S: Final = 60.0

_ACTIONS: Final = {"acknowledged": "acknowledge", "resolved": "resolve"}


class PagerDuty:
    """Sends through one routing key; `url` in its settings stands for another address, as of the EU region.

    What an incident opened is ended under the dedup_key and through the routing key that opened it, also after
    both have changed in alerts.yaml: PagerDuty drops a resolve that comes through another key.
    """

    def __init__(self, settings: Mapping[str, Any], env: str) -> None:
        keys = [settings["routing_key"], settings.get("routing_key_previous")]
        self._keys: dict[str, str] = {fingerprint(key): key for key in keys if key}
        self._url: str = settings.get("url", PAGERDUTY_URL)
        self._changes = urljoin(self._url, "change/enqueue")
        self._env = env
        self._http = Http(self._keys.values(), ca_file=settings.get("ca_file"))

    def send(self, delivery: Delivery) -> Taken:
        """Post the event and return PagerDuty's answer; raises DeliveryError."""
        if delivery.event == CHANGED:
            newest = next(iter(self._keys.values()))
            return Taken(self._post(self._changes, change(newest, self._env, delivery.payload)).shown)
        name = delivery.first.get("routing_key") or next(iter(self._keys))
        sent = event(self._key(name), self._env, delivery.event, delivery.payload)
        sent["dedup_key"] = delivery.first.get("dedup_key") or sent["dedup_key"]
        reply = self._post(self._url, sent)
        return Taken(reply.shown, {"routing_key": name, "dedup_key": sent["dedup_key"]})

    def close(self) -> None:
        self._http.close()

    def _key(self, name: str) -> str:
        if name not in self._keys:
            raise DeliveryError(
                f"was opened through routing key {name}, which alerts.yaml no longer has: give it as "
                "routing_key_previous, or resolve it in PagerDuty",
                permanent=True,
            )
        return self._keys[name]

    def _post(self, url: str, sent: dict[str, Any]) -> Reply:
        reply = self._http.post(url, encoded(sent))
        if reply.status != 202:
            raise _refusal(reply)
        if _status(reply) != "success":
            raise reply.refusal(permanent=False, why="PagerDuty answers with status success")
        return reply


def fingerprint(routing_key: str) -> str:
    """A name for a routing key that may be stored and shown."""
    return short_hash(8, "routing_key", routing_key)


def event(routing_key: str, env: str, what: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of one event. Acknowledge and resolve carry no payload.

    What joined a page updates that alert; it resolves with the last of them.
    """
    still = what == "resolved" and payload.get("left")
    action = "trigger" if still else _ACTIONS.get(what, "trigger")
    sent: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": dedup_key(env, str(payload.get("group_id") or payload.get("incident_id"))),
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
            "next": list(map(str, message.commands)),
            "labels": dict(facts.labels),
        },
    }
    links = [{"href": address, "text": label} for label, address in message.links]
    return {
        "client": "tocsin",
        "payload": {key: value for key, value in shown.items() if value},
        **({"links": links} if links else {}),
    }


def change(routing_key: str, env: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a change event: a version that a stream had not shown before."""
    stream, version = str(payload["stream"]), str(payload["version"])
    return {
        "routing_key": routing_key,
        "payload": {
            "summary": clip(f"{clip(stream, 300)}: version {clip(version, 300)} appeared", SUMMARY),
            "source": clip(f"tocsin/{env}", 255),
            "timestamp": str(payload["at"]),
            "custom_details": {"stream": stream, "version": version, "labels": dict(payload["labels"])},
        },
    }


def encoded(sent: dict[str, Any]) -> bytes:
    """The event as JSON; its details are left out where it would be too large for PagerDuty."""
    whole = msgspec.json.encode(sent)
    if len(whole) <= MOST_BYTES:
        return whole
    shorter = {key: value for key, value in sent["payload"].items() if key != "custom_details"}
    return msgspec.json.encode(sent | {"payload": shorter})


def _status(reply: Reply) -> str:
    try:
        answer = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        return ""
    return str(answer.get("status")) if isinstance(answer, dict) else ""


def _refusal(reply: Reply) -> DeliveryError:
    refusal = reply.refusal(permanent=True if reply.status == 400 else None)
    if reply.status == 429:
        refusal.retry_after_s = max(_THROTTLED_S, reply.retry_after_s or 0.0)
    return refusal
