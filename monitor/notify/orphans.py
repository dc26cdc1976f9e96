"""Incidents that receivers know of and the ledger does not, because it was set back to an older copy (rule 7)."""

import threading
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import Connection, func, select

from monitor.ledger.announcements import announce
from monitor.ledger.counted import judge_cursor
from monitor.ledger.decided import incident
from monitor.ledger.incidents import expire, open_incident
from monitor.ledger.moments import instant_ms
from monitor.ledger.outbox import OF_SWITCH, Addressee
from monitor.notify.delivery import Delivery

# The judge may find it again a little later than it did the first time.
LATER_MS: Final = 30_000
_WHY: Final = "the ledger was set back, and it was not found again"


class Announced:
    """Incidents that this process has told receivers of, until they have ended; any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told: dict[str, dict[str, Delivery]] = {}

    def note(self, sent: Delivery) -> None:
        """A receiver took `sent`."""
        if sent.incident_id is None or sent.kind in OF_SWITCH:
            return
        with self._lock:
            if sent.event == "resolved":
                self._told.get(sent.incident_id, {}).pop(sent.receiver, None)
            elif "facts" in sent.payload and "detected_at" in sent.payload:
                self._told.setdefault(sent.incident_id, {})[sent.receiver] = sent

    def end_lost(self, conn: Connection) -> list[str]:
        """End what the ledger has lost, for whoever was told of it; returns the ids.

        That is so once the judge has come past where it was found, and has not found it again.
        """
        with self._lock:
            told = {incident_id: list(sent.values()) for incident_id, sent in self._told.items()}
        if not told:
            return []
        states = select(incident.c.incident_id, incident.c.state).where(incident.c.incident_id.in_(told))
        known = {row.incident_id: row.state for row in conn.execute(states)}
        self._forget(i for i in told if not told[i] or known.get(i, "firing") != "firing")
        judged_ms = conn.execute(select(func.min(judge_cursor.c.watermark_ms))).scalar()
        lost = [
            i for i, sent in told.items() if i not in known and sent and _is_past(judged_ms, sent[0].payload)
        ]
        for incident_id in lost:
            _end(conn, incident_id, told[incident_id])
        return lost

    def _forget(self, ended: Iterable[str]) -> None:
        with self._lock:
            for incident_id in ended:
                self._told.pop(incident_id, None)


def _is_past(judged_ms: int | None, payload: Mapping[str, Any]) -> bool:
    return judged_ms is not None and judged_ms > instant_ms(payload["detected_at"]) + LATER_MS


def _end(conn: Connection, incident_id: str, sent: list[Delivery]) -> None:
    """Store the incident as it was last told, and end it as one whose rule is gone."""
    row = {name: value for name, value in sent[-1].payload.items() if name in incident.c}
    row |= {n: instant_ms(v) for n, v in row.items() if n.endswith("_at") and isinstance(v, str)}
    if open_incident(conn, row | {"state": "firing"}):
        expire(conn, incident_id, _WHY)
        announce(conn, incident_id, "resolved", [Addressee(each.receiver, each.kind) for each in sent])
