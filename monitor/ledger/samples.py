"""Rows of `sample`: their ids, which versions have had their first records, and what people ask for."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, Select, column, func, select, table, text

from monitor.ledger.counted import mark, sample, stream
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

    def on_tables(self) -> tuple[ColumnElement[bool], ...]:
        """Stream, incident and why as conditions on the table itself."""
        found = []
        if self.stream is not None:
            key = select(stream.c.stream_id).where(stream.c.key == self.stream)
            found.append(sample.c.stream_id == key.scalar_subquery())
        if self.incident is not None:
            found.append(sample.c.incident_id == self.incident)
        if self.why is not None:
            found.append(sample.c.why == self.why)
        return tuple(found)

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


def queue(conn: Connection, wanted: Wanted, most: int) -> list[str]:
    """The ids of samples to review: the newest unmarked ones first, then those that were marked last."""
    found: list[str] = []
    if wanted.marked is not True:
        found += conn.execute(_unmarked(wanted).limit(most)).scalars()
    if wanted.marked is not False:
        found += conn.execute(_marked(wanted).limit(most)).scalars()
    return found[:most]


def some(conn: Connection, ids: Sequence[str]) -> list[Any]:
    """Samples with their marks, in the order of `ids`; those that are kept no longer are left out."""
    rows = conn.execute(select(_SAMPLES).where(_SAMPLES.c.sample_id.in_(ids))) if ids else ()
    found = {row.sample_id: row for row in rows}
    return [found[name] for name in ids if name in found]


def _unmarked(wanted: Wanted) -> Select[Any]:
    marks = select(mark.c.mark_id).where(mark.c.sample_id == sample.c.sample_id).exists()
    newest = (sample.c.kept_at.desc(), sample.c.kafka_offset.desc())
    return select(sample.c.sample_id).where(*wanted.on_tables(), ~marks).order_by(*newest)


def _marked(wanted: Wanted) -> Select[Any]:
    last = (
        select(mark.c.sample_id, func.max(mark.c.mark_id).label("last")).group_by(mark.c.sample_id).subquery()
    )
    joined = select(sample.c.sample_id).join(last, last.c.sample_id == sample.c.sample_id)
    return joined.where(*wanted.on_tables()).order_by(last.c.last.desc())
