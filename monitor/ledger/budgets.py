"""Error budgets of objectives as people read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, text

from monitor.ledger.wording import percent

EXACT: Final = 8
CLOSE: Final = 5

_WORST: Final = text("""
    SELECT rule, stream, objective, good, total, budget_left, count(*) OVER () AS known FROM tocsin.slos
    WHERE CAST(:stream AS text) IS NULL OR stream = :stream
    ORDER BY budget_left, rule, stream LIMIT :most
""")


@dataclass(frozen=True, slots=True)
class Budget:
    """What an objective has come to on a stream; `left` is 1 at first, 0 when spent, and below it overspent."""

    rule: str
    stream: str
    objective: float
    good: int
    total: int
    left: float

    @property
    def aim(self) -> str:
        return percent(self.objective, EXACT)

    @property
    def share(self) -> str:
        """Of the records that were good, `–` where none came."""
        return percent(self.good / self.total, CLOSE) if self.total else "–"

    @property
    def filled(self) -> float:
        """What a bar of it holds, 0 to 1."""
        return min(max(self.left, 0.0), 1.0)

    def __str__(self) -> str:
        return percent(self.left) if self.left >= 0 else f"overspent by {percent(-self.left)}"


@dataclass(frozen=True, slots=True)
class Budgets:
    """The worst ones, and how many there are besides."""

    worst: Sequence[Budget]
    rest: int


def budgets(conn: Connection, most: int, stream: str | None = None) -> Budgets:
    """What is left, least first: of all streams, or of one."""
    rows = conn.execute(_WORST, {"stream": stream, "most": most}).all()
    found = [Budget(r.rule, r.stream, r.objective, r.good, r.total, r.budget_left) for r in rows]
    return Budgets(found, rows[0].known - len(rows) if rows else 0)
