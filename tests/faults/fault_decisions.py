"""Whether every decision was made, kept and told: incidents, deliveries, and the switch as its service sees it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from fault_story import KILLED, SWITCH, Outage, kill_messages
from sqlalchemy import Engine, text

from monitor.local.receiver import Received

HOOK_PATH: Final = "/hook"
NEAR_MS: Final = 15_000
LEAST_RECORDS: Final = 100
ENDED: Final = frozenset({"delivered", "superseded", "expired"})
# What nobody is to hear of for now, and whom one message is about beside its own incident.
INCIDENTS: Final = """
    tocsin.incidents JOIN (SELECT incident_id, held_back FROM tocsin_ledger.incident) h USING (incident_id)
"""
DELIVERIES: Final = """
    tocsin.deliveries
    JOIN (SELECT delivery_id, payload->'also' AS also FROM tocsin_ledger.delivery) p USING (delivery_id)
"""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the views say of decisions."""

    incidents: Sequence[Any]
    deliveries: Sequence[Any]
    events: Sequence[Any]
    switches: Sequence[Any]
    opened: dict[str, int]

    @classmethod
    def read(cls, engine: Engine) -> "Ledger":
        with engine.begin() as conn:
            openings = conn.execute(
                text("SELECT incident_id, count(*) FROM tocsin.timeline WHERE what = 'opened' GROUP BY 1")
            )
            opened = dict(map(tuple, openings))
            incidents, deliveries, events, switches = (
                list(conn.execute(text(f"SELECT * FROM {view}")))
                for view in (
                    INCIDENTS,
                    DELIVERIES,
                    "tocsin.kill_events ORDER BY sequence",
                    "tocsin.kill_switches",
                )
            )
        return cls(incidents, deliveries, events, switches, opened)

    @property
    def decisions(self) -> int:
        return len(self.incidents) + len(self.deliveries) + len(self.events)


def lost_decisions(
    ledger: Ledger, received: Sequence[Received], outages: Sequence[Outage], kills: Sequence[Outage]
) -> list[str]:
    """One sentence for each decision that is missing, doubled, or told otherwise than it was made."""
    return [
        *_outages(ledger, outages),
        *_incidents(ledger),
        *_deliveries(ledger, received),
        *_messages(ledger, received),
        *_kill_events(ledger, kills),
        *_switch(ledger, received),
    ]


def _outages(ledger: Ledger, outages: Sequence[Outage]) -> list[str]:
    found = []
    for outage in outages:
        if outage.records < LEAST_RECORDS:
            continue
        about = [i for i in ledger.incidents if (i.rule, i.stream) == ("outage", outage.model)]
        if not any(_overlaps(i, outage) for i in about):
            found.append(f"no incident about {outage}")
    return found


def _overlaps(incident: Any, outage: Outage) -> bool:
    onset_ms = incident.onset_at.timestamp() * 1000
    return bool(outage.from_ms - NEAR_MS <= onset_ms <= outage.until_ms + NEAR_MS)


def _incidents(ledger: Ledger) -> list[str]:
    """Each was opened once, and those who were to hear of its beginning and end have been written to."""
    found = []
    told = {(about, d.event) for d in ledger.deliveries for about in _about(d.incident_id, d.also)}
    for incident in ledger.incidents:
        if ledger.opened.get(incident.incident_id) != 1:
            found.append(
                f"incident {incident.incident_id} opened {ledger.opened.get(incident.incident_id, 0)} times"
            )
        if incident.held_back is not None:
            continue
        wanted = ["opened"] + ["resolved"] * (incident.state == "resolved")
        missing = [event for event in wanted if (incident.incident_id, event) not in told]
        found += [
            f"incident {incident.incident_id} of {incident.rule}: nobody told that it {e}" for e in missing
        ]
    return found


def _about(incident_id: str, also: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """Of which incidents one message tells: those that began or ended together share it."""
    return [incident_id, *(each["incident_id"] for each in also or ())]


def _deliveries(ledger: Ledger, received: Sequence[Received]) -> list[str]:
    came = {r.headers["webhook-id"] for r in received if r.signed}
    found = [
        f"delivery {d.delivery_id} ({d.event}) is {d.state}"
        for d in ledger.deliveries
        if d.state not in ENDED
    ]
    recorded = [d for d in ledger.deliveries if d.state == "delivered" and d.delivery_id not in came]
    found += [f"delivery {d.delivery_id} ({d.event}) is recorded, but never came" for d in recorded]
    known = {d.delivery_id for d in ledger.deliveries}
    return found + [f"message {identity} came, but the ledger does not know it" for identity in came - known]


def _messages(ledger: Ledger, received: Sequence[Received]) -> list[str]:
    """What a receiver that drops known ids believes of an incident is what the ledger says."""
    last: dict[str, str] = {}
    seen: set[str] = set()
    for request in received:
        if request.path == HOOK_PATH and request.headers["webhook-id"] not in seen:
            seen.add(request.headers["webhook-id"])
            body = request.json()
            if body["type"].startswith("incident."):
                about = _about(body["data"]["incident_id"], body["data"].get("also"))
                last |= dict.fromkeys(about, body["type"].removeprefix("incident."))
    found = []
    for incident in ledger.incidents:
        ended = last.get(incident.incident_id) == "resolved"
        if ended != (incident.state == "resolved") and incident.held_back is None:
            believed = last.get(incident.incident_id)
            found.append(
                f"incident {incident.incident_id} is {incident.state}, its receiver heard {believed} last"
            )
    return found


def _kill_events(ledger: Ledger, kills: Sequence[Outage]) -> list[str]:
    """Trips and releases alternate, and nothing tripped the switch while its model was well."""
    found = []
    actions = [e.action for e in ledger.events if e.action in ("tripped", "released")]
    if any(first == second for first, second in pairwise(actions)):
        found.append(f"switch {SWITCH} changed twice to the same state: {actions}")
    for event in ledger.events:
        at_ms = event.at.timestamp() * 1000
        failing = any(k.from_ms <= at_ms <= k.until_ms + NEAR_MS for k in kills)
        if event.action == "tripped" and not failing:
            found.append(f"switch {SWITCH} tripped at {event.at} while {KILLED} was well: {event.reason}")
    return found


def _switch(ledger: Ledger, received: Sequence[Received]) -> list[str]:
    """The service ends in the ledger's state, also if it knows nothing of sequences."""
    messages = kill_messages(received)
    if not ledger.switches:
        return ["the kill switch was never pulled"] if messages else []
    now = ledger.switches[0]
    found = [] if now.confirmed_at else [f"switch {SWITCH} is {now.state}, which is not confirmed"]
    newest = max(messages, key=lambda m: m["sequence"], default={"state": None, "sequence": None})
    last = messages[-1] if messages else newest
    for told, how in ((newest, "by sequence"), (last, "by arrival")):
        if (told["state"], told["sequence"]) != (now.state, now.sequence):
            found.append(f"switch {SWITCH} is {now.state} ({now.sequence}), its service has {how} {told}")
    return found
