"""Samples that show an incident: which records to look for while it fires, and which of those kept belong to it.

Ingest knows no rules and the judge no records: what an incident is about is read here from its row, as something that
can be seen in a single record.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Engine, select, text, update

from monitor.ledger.counted import sample, stream
from monitor.ledger.facts import Facts, facts_of
from monitor.ledger.tables import alone
from monitor.records.settings import NO_VALUE
from monitor.records.shown import Sought

MOST_OF_INCIDENT: Final = 50
"""Samples attached to one incident."""
MOST_SOUGHT: Final = 50
"""Incidents that are looked for at once, the newest."""
MOST_LOOKED_AT: Final = 200
MOST_READ: Final = 1_000
ENDED_LATELY: Final = timedelta(minutes=10)
"""So long after its end an incident may still get samples of before."""
PANE: Final = timedelta(seconds=10)
SKEW: Final = PANE + timedelta(minutes=1)
"""A record may be kept so long before its event time by the database's clock."""

_LOCK: Final = 0x746F6376
_SHARE: Final = "share:"
# The newest first, and the bound before the count: after an outage of everything a thousand may fire.
_OPEN: Final = text("""
    SELECT i.incident_id, i.onset_at, coalesce(i.ended_at, i.resolved_at) AS until, i.state, i.facts, n.attached
    FROM (
        SELECT * FROM tocsin_ledger.incident
        WHERE signal IS NOT NULL AND (state = 'firing' OR resolved_at > now() - :lately)
        ORDER BY opened_at DESC LIMIT :looked_at
    ) i
    CROSS JOIN LATERAL (
        SELECT count(*) AS attached FROM tocsin_ledger.sample x
        WHERE x.incident_id = i.incident_id AND x.kept_at >= i.onset_at - :skew
    ) n
    WHERE n.attached < :most
    ORDER BY i.opened_at DESC LIMIT :sought
""")


@dataclass(frozen=True, slots=True)
class Shown:
    """What records of an incident look like, and how many more of them may be attached to it."""

    incident_id: str
    sought: Sought
    since: datetime
    until: datetime | None
    fires: bool
    room: int


def look_after(engine: Engine) -> tuple[Sought, ...]:
    """Attach what was kept of incidents, and return what to look for now; one replica at a time attaches."""
    with alone(engine, _LOCK) as mine, engine.begin() as conn:
        shown = list(_shown(conn))
        if mine:
            for one in shown:
                attach(conn, one)
    return tuple(dict.fromkeys(one.sought for one in shown if one.fires))


def _shown(conn: Connection) -> Iterator[Shown]:
    asked = {"lately": ENDED_LATELY, "looked_at": MOST_LOOKED_AT, "skew": SKEW}
    asked |= {"most": MOST_OF_INCIDENT, "sought": MOST_SOUGHT}
    for row in conn.execute(_OPEN, asked):
        sought = sought_of(facts_of(row.facts))
        if sought is not None:
            yield Shown(
                incident_id=row.incident_id,
                sought=sought,
                since=row.onset_at - PANE,
                until=row.until,
                fires=row.state == "firing",
                room=MOST_OF_INCIDENT - row.attached,
            )


def sought_of(facts: Facts) -> Sought | None:
    """What a single record shows of an incident; None where none can show it, as of traffic, sums and silence."""
    if facts.signal is None or facts.quantity is None:
        return None
    what = _event(facts) if facts.quantity == "rate" else _value(facts, facts.quantity)
    if what is None:
        return None
    version = facts.part[1] if facts.part and facts.part[0] == "version" else None
    return Sought(facts.stream, facts.signal, version=version, **what)


def _event(facts: Facts) -> dict[str, Any] | None:
    """Of a rate that fell nothing can be seen; of an objective, what was beyond its target."""
    if facts.budget is not None and facts.budget.below is not None:
        return {"above": facts.budget.below}
    return {} if facts.side == "up" else None


def _value(facts: Facts, quantity: str) -> dict[str, Any] | None:
    if quantity.startswith(_SHARE):
        return {"category": quantity.removeprefix(_SHARE)} if facts.side == "up" else None
    edge = facts.reference if facts.at_least is None else facts.at_least
    if not quantity.startswith("p") or edge is None:
        return None
    return {"above" if facts.side == "up" else "below": edge}


def attach(conn: Connection, shown: Shown) -> int:
    """Give the incident the samples that show it and belong to none, up to its bound; how many."""
    mine = select(sample.c.sample_id, sample.c.signals, sample.c.version)
    mine = mine.join(stream, stream.c.stream_id == sample.c.stream_id).where(
        stream.c.key == shown.sought.stream
    )
    mine = mine.where(sample.c.at >= shown.since, sample.c.kept_at >= shown.since - SKEW)
    mine = mine.where(sample.c.incident_id.is_(None))
    if shown.until is not None:
        mine = mine.where(sample.c.at < shown.until)
    rows = conn.execute(mine.order_by(sample.c.at).limit(MOST_READ))
    wanted = [row.sample_id for row in rows if _shows(shown.sought, row)][: shown.room]
    if not wanted:
        return 0
    free = sample.c.sample_id.in_(wanted) & sample.c.incident_id.is_(None)
    given = {"incident_id": shown.incident_id, "signal": shown.sought.signal}
    return conn.execute(
        update(sample).where(free, sample.c.kept_at >= shown.since - SKEW).values(given)
    ).rowcount


def _shows(sought: Sought, row: Any) -> bool:
    of_version = sought.version is None or (row.version or NO_VALUE) == sought.version
    return of_version and sought.shown_in(row.signals)
