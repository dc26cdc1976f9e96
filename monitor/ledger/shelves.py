"""The three tables that give ids to names, as SQL for `places.admit`."""

import json
from collections.abc import Callable, Mapping
from typing import Final

from monitor.ledger.places import Shelf
from monitor.records.names import OTHER

Labels = Mapping[str, str]

# Names are (stream id, field, value); `(other)` takes no place.
SLICES: Final = Shelf(
    wanted="""unnest(cast(:a AS int[]), cast(:b AS text[]), cast(:c AS text[]))
        WITH ORDINALITY AS w (stream_id, field, value, i)""",
    find="""
        SELECT t.slice_id, {age} FROM {wanted}
        LEFT JOIN tocsin_ledger.slice t USING (stream_id, field, value) ORDER BY w.i""",
    count="""
        SELECT t.stream_id, t.field, count(*) FROM tocsin_ledger.slice t
        WHERE {recent} AND t.value <> '(other)'
        AND (t.stream_id, t.field) IN (SELECT stream_id, field FROM {wanted}) GROUP BY 1, 2""",
    insert="""
        INSERT INTO tocsin_ledger.slice (stream_id, field, value)
        SELECT stream_id, field, value FROM {wanted} ORDER BY i""",
    touch="""
        UPDATE tocsin_ledger.slice SET seen_at = now() WHERE slice_id IN (
            SELECT t.slice_id FROM tocsin_ledger.slice t JOIN {wanted} USING (stream_id, field, value)
            ORDER BY t.slice_id FOR NO KEY UPDATE OF t {skip}
        )""",
    group=lambda name: name[:2],
    uncapped=lambda name: name[2] == OTHER,
)

# Names are (stream id, signal, name); ids count from 2 within (stream, signal).
CATEGORIES: Final = Shelf(
    wanted="""unnest(cast(:a AS int[]), cast(:b AS smallint[]), cast(:c AS text[]))
        WITH ORDINALITY AS w (stream_id, signal, name, i)""",
    find="""
        SELECT t.category_id, {age} FROM {wanted}
        LEFT JOIN tocsin_ledger.category t USING (stream_id, signal, name) ORDER BY w.i""",
    count="""
        SELECT t.stream_id, t.signal, count(*) FROM tocsin_ledger.category t
        WHERE {recent}
        AND (t.stream_id, t.signal) IN (SELECT stream_id, signal FROM {wanted}) GROUP BY 1, 2""",
    insert="""
        INSERT INTO tocsin_ledger.category (stream_id, signal, category_id, name)
        SELECT w.stream_id, w.signal,
               last.id + row_number() OVER (PARTITION BY w.stream_id, w.signal ORDER BY w.i), w.name
        FROM {wanted} CROSS JOIN LATERAL (
            SELECT coalesce(max(t.category_id), 1) AS id FROM tocsin_ledger.category t
            WHERE t.stream_id = w.stream_id AND t.signal = w.signal
        ) last""",
    touch="""
        UPDATE tocsin_ledger.category u SET seen_at = now() FROM (
            SELECT t.stream_id, t.signal, t.category_id FROM tocsin_ledger.category t
            JOIN {wanted} USING (stream_id, signal, name)
            ORDER BY t.stream_id, t.signal, t.category_id FOR NO KEY UPDATE OF t {skip}
        ) s WHERE (u.stream_id, u.signal, u.category_id) = (s.stream_id, s.signal, s.category_id)""",
    group=lambda name: name[:2],
    uncapped=lambda name: False,
)


def streams(always: Callable[[Labels], bool]) -> Shelf:
    """Names are (key, labels as JSON); those that `always` accepts have a place in any case."""
    return Shelf(
        wanted="unnest(cast(:a AS text[]), cast(:b AS text[])) WITH ORDINALITY AS w (key, labels, i)",
        find="""
            SELECT t.stream_id, {age} FROM {wanted}
            LEFT JOIN tocsin_ledger.stream t USING (key) ORDER BY w.i""",
        count="SELECT count(*) FROM tocsin_ledger.stream t WHERE {recent} AND t.stream_id <> 0",
        insert="""
            INSERT INTO tocsin_ledger.stream (key, labels)
            SELECT key, cast(labels AS jsonb) FROM {wanted} ORDER BY i""",
        touch="""
            UPDATE tocsin_ledger.stream
            SET seen_at = now(), state = CASE state WHEN 'retired' THEN 'learning' ELSE state END
            WHERE stream_id IN (
                SELECT t.stream_id FROM tocsin_ledger.stream t JOIN {wanted} USING (key)
                ORDER BY t.stream_id FOR NO KEY UPDATE OF t {skip}
            )""",
        group=lambda name: (),
        uncapped=lambda name: always(json.loads(name[1])),
    )
