"""A message taken out of the outbox."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Row

from monitor.ledger.moments import millis


@dataclass(frozen=True, slots=True)
class Delivery:
    """One claimed row of the outbox; `attempts` counts the one that is about to be made.

    `claim` names this claim and no other: the result is recorded only while the row still carries it. `first` is
    the receipt of the first message that was taken in this lane: what later ones answer to or end.
    `repeats` says what was taken before, see `repeats`.
    """

    delivery_id: str
    lane: str
    position: int
    incident_id: str | None
    kill_id: str | None
    receiver: str
    kind: str
    event: str
    attempts: int
    created_ms: int
    claimed_ms: int
    not_after_ms: int | None
    payload: Mapping[str, Any]
    claim: UUID | None
    first: Mapping[str, str] = field(default_factory=dict)
    repeats: bool = False

    @property
    def age_ms(self) -> int:
        return self.claimed_ms - self.created_ms


def delivery_of(row: Row[Any], claimed_ms: int, first: Mapping[str, str] | None = None) -> Delivery:
    """The value of a row of `delivery` that was just claimed."""
    return Delivery(
        delivery_id=row.delivery_id,
        lane=row.lane,
        position=row.position,
        incident_id=row.incident_id,
        kill_id=row.kill_id,
        receiver=row.receiver,
        kind=row.kind,
        event=row.event,
        attempts=row.attempts,
        created_ms=millis(row.created_at),
        claimed_ms=claimed_ms,
        not_after_ms=None if row.not_after is None else millis(row.not_after),
        payload=row.payload,
        claim=row.claimed_by,
        first=first or {},
    )


@dataclass(frozen=True, slots=True)
class Taken:
    """A receiver took a message: its answer in a few words, and what to keep of it for later ones (no secrets)."""

    response: str
    receipt: Mapping[str, str] = field(default_factory=dict)
