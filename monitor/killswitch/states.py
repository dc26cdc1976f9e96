"""What the ledger says of the kill switches: read by whoever obeys, judges or shows them."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from monitor.config.model import SwitchKey
from monitor.killswitch.deciding import State
from monitor.ledger.decided import kill_switch
from monitor.ledger.moments import millis

SERVED = {"disable": "off"}


@dataclass(frozen=True, slots=True)
class SwitchState:
    """A switch as the ledger has it; `tripped` is what the service should obey.

    While `state` is probing, `share` of the traffic is let through; else `share` is None.
    """

    switch: str
    value: str
    stream: str
    state: State
    mode: str
    target: str | None
    sequence: int
    since_ms: int
    reason: str
    incident_id: str | None
    confirmed_ms: int | None
    share: float | None

    @property
    def tripped(self) -> bool:
        return self.state is State.TRIPPED

    @property
    def serves(self) -> bool:
        return self.state is State.RELEASED

    @property
    def instead(self) -> str:
        """What is served while it is tripped: `off`, or the fallback's name."""
        return self.target or SERVED.get(self.mode, self.mode)


def state(conn: Connection) -> dict[SwitchKey, SwitchState]:
    """Every switch that ever changed, oldest change first; without states that are retired."""
    known = select(kill_switch).where(kill_switch.c.per.is_not(None))
    rows = conn.execute(known.order_by(kill_switch.c.sequence)).all()
    return {(row.switch, row.value): _switch_state(row) for row in rows}


def confirm(conn: Connection, switch: str, sequence: int) -> bool:
    """Record that the webhook took the state numbered `sequence`; False where the switch has moved on."""
    current = (kill_switch.c.switch == switch) & (kill_switch.c.sequence == sequence)
    confirmed = update(kill_switch).where(current & kill_switch.c.confirmed_at.is_(None))
    return conn.execute(confirmed.values(confirmed_at=func.clock_timestamp())).rowcount == 1


def is_confirmed(conn: Connection, switch: str, sequence: int) -> bool:
    """Whether the webhook took the state numbered `sequence` and that is still the switch's state."""
    current = (kill_switch.c.switch == switch) & (kill_switch.c.sequence == sequence)
    confirmed = select(kill_switch.c.switch).where(current & kill_switch.c.confirmed_at.is_not(None))
    return conn.execute(confirmed).first() is not None


def _switch_state(row: Row[Any]) -> SwitchState:
    return SwitchState(
        switch=row.switch,
        value=row.value,
        stream=row.stream,
        state=State(row.state),
        mode=row.mode,
        target=row.target,
        sequence=row.sequence,
        since_ms=millis(row.since),
        reason=row.reason,
        incident_id=row.incident_id,
        confirmed_ms=None if row.confirmed_at is None else millis(row.confirmed_at),
        share=row.share,
    )
