"""Alertmanager: an incident as an alert of `/api/v2/alerts`, which groups, inhibits and routes it further.

An alert that is not told again ends there by itself, so the notifier repeats it until the incident has ended.
"""

import re
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

import msgspec

from monitor.config.rule import Severity
from monitor.ledger.facts import Facts, facts_of
from monitor.ledger.moments import instant_ms, moment, rfc3339
from monitor.ledger.wording import clip
from monitor.notify.delivery import Delivery, Taken
from monitor.notify.hiding import of_address
from monitor.notify.http import Http
from monitor.notify.message import compose

PATH: Final = "/api/v2/alerts"
HOLD: Final = timedelta(minutes=15)
"""How long an alert stays that is not told again: longer than a restart or an upgrade takes."""
_LABEL: Final = 500


class Alertmanager:
    """Sends to one Alertmanager; taken is HTTP 200 without a body."""

    def __init__(
        self, settings: Mapping[str, Any], env: str, wall_s: Callable[[], float] = time.time
    ) -> None:
        self._url = settings["url"].rstrip("/").removesuffix(PATH) + PATH
        self._env = env
        self._wall_s = wall_s
        token = settings.get("token", "")
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = Http([*of_address(settings["url"]), token], ca_file=settings.get("ca_file"))

    def send(self, delivery: Delivery) -> Taken:
        """Post the alert and return the answer; raises DeliveryError."""
        first = delivery.first.get("severity")
        told = alerts(self._env, delivery.event, delivery.payload, round(self._wall_s() * 1000), first)
        reply = self._http.post(self._url, msgspec.json.encode(told), self._headers)
        if reply.status != 200:
            raise reply.refusal()
        if reply.body.strip():
            raise reply.refusal(permanent=False, why="Alertmanager answers without a body")
        return Taken(reply.shown, {"severity": told[-1]["labels"]["severity"]})

    def close(self) -> None:
        self._http.close()


def alerts(
    env: str, event: str, payload: Mapping[str, Any], now_ms: int, first: str | None = None
) -> list[dict[str, Any]]:
    """What to post at `now_ms`: the alert, and where it escalated the ends of what it was since `first`.

    Severity is a label, so that it can route; another label makes another alert there.
    """
    facts = facts_of(payload["facts"])
    about = {
        "annotations": _annotations(event, payload, facts),
        "startsAt": rfc3339(moment(facts.onset_ms)),
    }
    over = event == "resolved"
    until = moment(_ended_ms(payload, facts, now_ms)) if over else moment(now_ms) + HOLD
    milder = [] if over else _between(first, facts.severity)
    past = [about | {"labels": labels(env, facts, s), "endsAt": rfc3339(moment(now_ms))} for s in milder]
    return [*past, about | {"labels": labels(env, facts, facts.severity), "endsAt": rfc3339(until)}]


def _between(first: str | None, now: str) -> list[Severity]:
    """The severities from `first` up to, but without, `now`."""
    least = Severity(first or now).rank
    return [severity for severity in Severity if least <= severity.rank < Severity(now).rank]


def labels(env: str, facts: Facts, severity: str) -> dict[str, str]:
    """The labels of an alert; those of the stream cannot take the place of Tocsin's own."""
    own = {
        "alertname": facts.rule or "tocsin",
        "severity": severity,
        "stream": facts.stream,
        "signal": facts.signal or "",
        "tocsin": env,
    }
    all_labels = {_label_name(name): value for name, value in facts.labels.items()} | own
    return {name: clip(value, _LABEL) for name, value in all_labels.items() if value}


def _annotations(event: str, payload: Mapping[str, Any], facts: Facts) -> dict[str, str]:
    message = compose(event, payload)
    told = {
        "summary": message.headline,
        "description": "\n".join(part for part in (message.story, " · ".join(message.context)) if part),
        "next": "\n".join(map(str, message.commands)),
        "incident_id": str(payload.get("incident_id") or ""),
        **{f"{_label_name(label.lower())}_url": address for label, address in message.links},
    }
    return {name: value for name, value in told.items() if value}


def _ended_ms(payload: Mapping[str, Any], facts: Facts, now_ms: int) -> int:
    """When it ended, but not after now: an end in the future would mean that it still fires."""
    resolved = payload.get("resolved_at")
    at = instant_ms(str(resolved)) if resolved else now_ms
    return max(min(at, now_ms), facts.onset_ms)


def _label_name(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_]", "_", name)
    return plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"
