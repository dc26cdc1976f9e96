"""The queries of docs/postmortem.md: each is one file of `queries/`, which is what the report runs and shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from sqlalchemy import Connection, Row, text

_NAMES: Final = (
    "fired", "signal", "slices", "told", "samples", "kill", "met", "cost", "delays", "monitor",
    "timeline", "percentiles", "noise",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Query:
    """One question of an incident; `sql` is for psql, with the incident's id as its variable `incident`."""

    name: str
    question: str
    sql: str

    @property
    def bound(self) -> str:
        """The statement for SQLAlchemy's `text`, with the parameter `incident`."""
        return self.sql.replace(":'incident'", ":incident").removesuffix(";")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a query came to."""

    columns: tuple[str, ...]
    rows: Sequence[Row[Any]]


def answer(conn: Connection, query: Query, incident_id: str) -> Answer:
    """Ask by the views alone, so the role that may only read them is enough."""
    result = conn.execute(text(query.bound), {"incident": incident_id})
    return Answer(tuple(result.keys()), result.all())


def _read(name: str) -> Query:
    written = (files(__package__) / "queries" / f"{name}.sql").read_text("utf-8").strip()
    first, _, sql = written.partition("\n")
    return Query(name, first.removeprefix("-- "), sql)


QUERIES: Final = tuple(_read(name) for name in _NAMES)
"""The ten of one incident first, then its steps, percentiles of other signals, and the month around it."""
