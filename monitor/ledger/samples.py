"""Rows of `sample`: their ids, and which versions have had their first records."""

from collections.abc import Collection
from typing import Final

from sqlalchemy import Engine, text

from monitor.ledger.outbox import short_hash

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
