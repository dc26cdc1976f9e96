"""Rows of `sample`: their ids, which versions have had their first records, and what people ask for."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Engine, Select, column, select, table, text

from monitor.ledger.outbox import short_hash

COLUMNS: Final = (
    "sample_id", "stream", "at", "topic", "partition", "kafka_offset", "record_id", "trace_id", "version",
    "incident_id", "signal", "why", "signals", "mark", "note", "marked_by", "marked_at", "record",
)  # fmt: skip
_SAMPLES: Final = table("samples", *map(column, COLUMNS), schema="tocsin")
_ID_CHARS: Final = 12

_KNOWN: Final = text("""
    SELECT stream_id, version FROM tocsin_ledger.version WHERE stream_id = ANY (:streams) AND n >= :first
    UNION ALL
    SELECT stream_id, '' FROM tocsin_ledger.stream WHERE stream_id = ANY (:streams) AND learned >= :first
""")


def sample_id(topic_id: str, partition: int, offset: int) -> str:
    """The id of a record that is kept, the same whoever reads it."""
    return short_hash(_ID_CHARS, topic_id, str(partition), str(offset))


def known_versions(engine: Engine, versions: Collection[tuple[int, str]], first: int) -> set[tuple[int, str]]:
    """Of (stream id, version, empty where there is none): those of which the judge has seen `first` records before."""
    streams = sorted({stream for stream, _ in versions})
    with engine.begin() as connection:
        rows = connection.execute(_KNOWN, {"streams": streams, "first": first})
        return {(row.stream_id, row.version) for row in rows} & set(versions)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which samples somebody asks for; None leaves it open. `since` and `until` are of their event time."""

    stream: str | None = None
    incident: str | None = None
    why: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    marked: bool | None = None

    def query(self) -> Select[Any]:
        """Rows of `tocsin.samples` with these, in the order of `COLUMNS`, not sorted yet."""
        found = select(_SAMPLES)
        for name, value in (("stream", self.stream), ("incident_id", self.incident), ("why", self.why)):
            if value is not None:
                found = found.where(_SAMPLES.c[name] == value)
        if self.since is not None:
            found = found.where(_SAMPLES.c.at >= self.since)
        if self.until is not None:
            found = found.where(_SAMPLES.c.at < self.until)
        if self.marked is not None:
            mark = _SAMPLES.c.mark
            found = found.where(mark.is_not(None) if self.marked else mark.is_(None))
        return found

    def newest_first(self) -> Select[Any]:
        """The newest first."""
        return self.query().order_by(_SAMPLES.c.at.desc(), _SAMPLES.c.sample_id)

    def oldest_first(self) -> Select[Any]:
        """The oldest first."""
        return self.query().order_by(_SAMPLES.c.at, _SAMPLES.c.sample_id)


def as_object(row: Any) -> dict[str, Any]:
    """A sample as one JSON object, as `msgspec.json` encodes it: its record as an object, not as a text."""
    values = {name: getattr(row, name) for name in COLUMNS}
    return values | {"record": msgspec.Raw(values["record"].encode())}
