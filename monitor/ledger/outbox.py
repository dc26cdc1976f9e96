"""The outbox: what was decided and has to be sent, written in the transaction of the decision.

A lane is what has to arrive in order: one receiver's messages about one incident, or one kill switch.
"""

from base64 import b32encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from monitor.config.model import Config
from monitor.ledger.decided import delivery, incident
from monitor.ledger.facts import storable
from monitor.ledger.moments import moment

KILL: Final = "kill"
TOPIC: Final = "switch_topic"
MIRROR: Final = "switch_mirror"
OF_TOPIC: Final = frozenset({TOPIC, MIRROR})
"""To the topic of a switch: a change, and a state that is sent again."""
OF_SWITCH: Final = OF_TOPIC | {KILL}
CHANGED: Final = "changed"


class Addressee(NamedTuple):
    """A receiver by name, and what kind it is."""

    name: str
    kind: str


def addressees(config: Config, names: "tuple[str, ...]") -> list[Addressee]:
    """The receivers called `names`; a name that alerts.yaml does not know is a KeyError."""
    return [Addressee(name, config.receivers[name].kind) for name in dict.fromkeys(names)]


def short_hash(length: int, *parts: str) -> str:
    """The first `length` base32 characters, lower case, of a hash that tells all lists of parts apart."""
    return b32encode(sha256(msgspec.json.encode(parts)).digest()).decode().lower()[:length]


def delivery_id(subject: str, receiver: str, event: str, key: str) -> str:
    """The id of a delivery about an incident or kill: the same decision has the same id for ever (rule 7)."""
    return short_hash(20, subject, receiver, event, key)


def switch_lane(switch: str, value: str = "") -> str:
    """The lane of a kill switch, or of one of its states where it has one for each `value`."""
    return f"switch/{switch}/{value}" if value else f"switch/{switch}"


def topic_of(switch: str) -> str:
    """The receiver that the switch's topic is in `deliveries`; no receiver of alerts.yaml has a blank in its name."""
    return f"{switch} (topic)"


def topic_lane(switch: str, value: str = "") -> str:
    """The lane of a switch's topic, or of one of its states in it."""
    return f"topic/{switch_lane(switch, value)}"


def enqueue(
    conn: Connection,
    *,
    incident_id: str | None,
    kill_id: str | None,
    receiver: str,
    kind: str,
    event: str,
    payload: Mapping[str, Any],
    not_after_ms: int | None = None,
    delivery_key: str = "",
    value: str = "",
    about: str | None = None,
    group_id: str | None = None,
    state: str = "pending",
    lane: str | None = None,
) -> None:
    """Put one message into its lane; a message that is there already stays as it is.

    Kind `kill` goes into the lane of the switch called `receiver` (of its state for `value`), all else into the
    receiver's lane of the incident (of the kill, where there is no incident), or of the one whose page it joined,
    unless `lane` says which. What is neither says what it is `about`. In state `suppressed` it is kept and never sent.
    Raises ValueError without incident, kill and `about`.
    """
    subject = (kill_id or incident_id) if kind in OF_SWITCH else (incident_id or kill_id or about)
    if subject is None:
        raise ValueError(f"a delivery to {receiver} needs an incident or a kill")
    of_incident = f"incident/{receiver}/{group_id or subject}"
    row = {
        "delivery_id": delivery_id(subject, receiver, event, delivery_key),
        "lane": lane or (switch_lane(receiver, value) if kind == KILL else of_incident),
        "incident_id": incident_id,
        "kill_id": kill_id,
        "receiver": receiver,
        "kind": kind,
        "event": event,
        "state": state,
        "payload": storable(payload),
        "not_after": None if not_after_ms is None else moment(not_after_ms),
    }
    conn.execute(insert(delivery).values(row).on_conflict_do_nothing())


def lock_switches(conn: Connection) -> None:
    """Until the transaction ends, nobody else changes a switch or puts anything into a switch's lane."""
    conn.execute(select(func.pg_advisory_xact_lock(func.hashtextextended("tocsin:kill_switches", 0))))


def supersede(conn: Connection, lane: str) -> int:
    """Withdraw what waits in `lane`, in flight or not; returns how many."""
    waiting = (delivery.c.lane == lane) & (delivery.c.state == "pending")
    withdrawn = conn.execute(update(delivery).where(waiting).values(state="superseded", claimed_by=None))
    return withdrawn.rowcount


def told(conn: Connection, incident_id: str) -> list[Addressee]:
    """Who has been sent anything about the incident or the page that it is part of, or is about to be."""
    leader = select(func.coalesce(incident.c.group_id, incident.c.incident_id))
    leader_id = leader.where(incident.c.incident_id == incident_id).scalar_subquery()
    members = select(incident.c.incident_id).where(incident.c.group_id == leader_id)
    page = (
        (delivery.c.incident_id == incident_id)
        | (delivery.c.incident_id == leader_id)
        | delivery.c.incident_id.in_(members)
    )
    about = page & delivery.c.kind.not_in(OF_SWITCH) & (delivery.c.state != "suppressed")
    rows = conn.execute(
        select(delivery.c.receiver, delivery.c.kind).where(about).distinct().order_by("receiver")
    )
    return [Addressee(name, kind) for name, kind in rows]


def oldest_pending_s(conn: Connection) -> float:
    """The age in seconds of the oldest message that still waits, 0 without one."""
    age = func.extract("epoch", func.clock_timestamp() - func.min(delivery.c.created_at))
    return float(conn.execute(select(age).where(delivery.c.state == "pending")).scalar() or 0.0)
