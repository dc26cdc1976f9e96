"""What the demo sees of the daemon: SQL only, on the public views."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, Row, text

from monitor.cli.demo.score import Incident
from monitor.ledger.moments import millis

INCIDENTS_SQL: Final = (
    "SELECT rule, severity, state, detected_at - onset_at AS to_detect, version, summary\n"
    "FROM tocsin.incidents ORDER BY detected_at;"
)
DELIVERIES_SQL: Final = (
    "SELECT receiver, event, state, count(*), avg(delivered_at - created_at) AS delay\n"
    "FROM tocsin.deliveries GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;"
)


@dataclass(frozen=True, slots=True)
class Learning:
    """A stream's state and how many requests it has learned from."""

    state: str
    learned: int


class Ledger:
    """Reads the views; every call is one short transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def incidents(self) -> list[Incident]:
        """All incidents, in the order in which they were opened."""
        rows = self._rows(
            "SELECT incident_id, rule, coalesce(signal, '') AS signal, severity, state, onset_at, "
            "detected_at, opened_at, summary "
            "FROM tocsin.incidents ORDER BY opened_at, detected_at, incident_id"
        )
        return [_incident(row) for row in rows]

    def learning(self, stream: str) -> Learning | None:
        """How far a stream has learned; None before it was seen."""
        rows = self._rows("SELECT state, learned FROM tocsin.streams WHERE stream = :stream", stream=stream)
        return Learning(rows[0].state, rows[0].learned) if rows else None

    def watermark_ms(self) -> int | None:
        """How far the judge has come in the partition where it is furthest; None before it began."""
        (row,) = self._rows("SELECT max(watermark) AS watermark FROM tocsin.progress")
        return None if row.watermark is None else millis(row.watermark)

    def counted(self) -> tuple[int, int]:
        """Records counted and skipped so far, over all partitions."""
        (row,) = self._rows(
            "SELECT coalesce(sum(counted), 0) AS counted, coalesce(sum(skipped), 0) AS skipped "
            "FROM tocsin.progress"
        )
        return int(row.counted), int(row.skipped)

    def answer(self, sql: str) -> tuple[list[str], list[Sequence[object]]]:
        """Column names and rows of a query."""
        with self._engine.connect() as connection:
            result = connection.execute(text(sql.removesuffix(";")))
            return list(result.keys()), [tuple(row) for row in result]

    def _rows(self, sql: str, **values: object) -> Sequence[Row[Any]]:
        with self._engine.connect() as connection:
            return connection.execute(text(sql), values).all()


def _incident(row: Row[Any]) -> Incident:
    return Incident(
        incident_id=row.incident_id,
        rule=row.rule,
        signal=row.signal,
        severity=row.severity,
        state=row.state,
        onset_ms=millis(row.onset_at),
        detected_ms=millis(row.detected_at),
        opened_ms=millis(row.opened_at),
        summary=row.summary,
    )
