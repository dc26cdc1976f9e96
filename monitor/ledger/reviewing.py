"""Marks of people on samples: kept for ever, and counted once as a label that came later.

A mark and what it counts are one transaction. What it counts is a checkpoint of a partition that no topic has:
the judge consumes it once, in order, as any other, and it moves no watermark and no progress.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, func, insert, select, update
from sqlalchemy.exc import DBAPIError

from monitor.ledger.counted import checkpoint, mark, review, sample, slice_
from monitor.ledger.engine import missing_partition
from monitor.ledger.facts import storable
from monitor.ledger.moments import millis
from monitor.ledger.tables import ensure_partitions
from monitor.records.codec import encode
from monitor.records.columns import ABSENT
from monitor.records.marks import Marked, labels_of
from monitor.records.settings import NO_VALUE, VERSION_FIELD

Verdict = Literal["good", "bad"]
VERDICTS: Final[tuple[Verdict, ...]] = ("good", "bad")
TOPIC_ID: Final = "(review)"
"""The topic id of the checkpoints of marks; those of Kafka are UUIDs."""
PARTITION: Final = 0
NOTE_CHARS: Final = 1_000
AUTHOR_CHARS: Final = 200


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of samples that were to be marked, by their ids.

    `counted` have their first mark, which counts; `changed` had one, and have another now; `same` had this one.
    """

    counted: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    same: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """What somebody says of samples."""

    verdict: Verdict
    note: str
    author: str

    def stored(self) -> dict[str, str]:
        """Its columns, as the ledger takes them."""
        note, author = str(storable(self.note)), str(storable(self.author))
        return {"verdict": self.verdict, "note": note[:NOTE_CHARS], "author": author[:AUTHOR_CHARS]}


def mark_samples(engine: Engine, ids: Sequence[str], said: Mark, at_ms: int | None = None) -> Outcome:
    """Mark samples in one transaction, at `at_ms` (the database's clock, unless told)."""
    try:
        with engine.begin() as conn:
            return mark_in(conn, ids, said, at_ms)
    except DBAPIError as error:
        if not missing_partition(error):
            raise
    # No daemon has run for hours that would have made them.
    ensure_partitions(engine)
    with engine.begin() as conn:
        return mark_in(conn, ids, said, at_ms)


def mark_in(conn: Connection, ids: Sequence[str], said: Mark, at_ms: int | None = None) -> Outcome:
    """As `mark_samples`, in a transaction of the caller's."""
    # Whoever marks next waits here, so that the first mark is the first, and commit order is that of `seq`.
    conn.execute(select(review.c.seq).with_for_update()).one()
    wanted = list(dict.fromkeys(ids))
    samples = {
        row.sample_id: row for row in conn.execute(select(sample).where(sample.c.sample_id.in_(wanted)))
    }
    outcome = _outcome(wanted, samples, _newest(conn, wanted), said.stored())
    rows = [_row(samples[name], said, first=False) for name in outcome.changed]
    rows += [_row(samples[name], said, first=True) for name in outcome.counted]
    if rows:
        conn.execute(insert(mark), rows)
    if outcome.counted:
        first = [samples[name] for name in outcome.counted]
        _count(conn, first, said.verdict == "good", _now_ms(conn) if at_ms is None else at_ms)
    return outcome


def _newest(conn: Connection, ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Verdict and note of the samples that are marked."""
    rows = conn.execute(select(mark).where(mark.c.sample_id.in_(ids)).order_by(mark.c.mark_id))
    return {row.sample_id: (row.verdict, row.note) for row in rows}


def _outcome(
    wanted: Sequence[str],
    samples: Mapping[str, Any],
    before: Mapping[str, tuple[str, str]],
    said: Mapping[str, str],
) -> Outcome:
    known = [name for name in wanted if name in samples]
    fresh = [name for name in known if before.get(name) != (said["verdict"], said["note"])]
    return Outcome(
        counted=tuple(name for name in fresh if name not in before),
        changed=tuple(name for name in fresh if name in before),
        same=tuple(name for name in known if name not in fresh),
        unknown=tuple(name for name in wanted if name not in samples),
    )


def _row(one: Any, said: Mark, *, first: bool) -> dict[str, Any]:
    where = {"sample_id": one.sample_id, "stream_id": one.stream_id, "version": one.version or NO_VALUE}
    return where | said.stored() | {"counted": first}


def _count(conn: Connection, samples: Sequence[Any], correct: bool, at_ms: int) -> None:
    """Write the checkpoint that the judge will consume."""
    slices = _version_slices(conn, {one.stream_id for one in samples})
    marks = [
        Marked(
            stream=one.stream_id,
            slice=slices.get((one.stream_id, one.version or NO_VALUE), ABSENT),
            correct=correct,
            confidence=one.signals.get("confidence"),
        )
        for one in samples
    ]
    moved = update(review).values(seq=review.c.seq + 1).returning(review.c.seq)
    seq = int(conn.execute(moved).scalar_one())
    conn.execute(
        insert(checkpoint).values(
            topic_id=TOPIC_ID,
            partition=PARTITION,
            seq=seq,
            from_offset=seq - 1,
            next_offset=seq,
            clock_ms=at_ms,
            caught_up=True,
            counted=0,
            skipped=0,
            deltas=encode(labels_of(marks, at_ms)),
        )
    )


def _version_slices(conn: Connection, streams: Collection[int]) -> dict[tuple[int, str], int]:
    mine = (slice_.c.field == VERSION_FIELD) & slice_.c.stream_id.in_(streams)
    return {(r.stream_id, r.value): r.slice_id for r in conn.execute(select(slice_).where(mine))}


def _now_ms(conn: Connection) -> int:
    return millis(conn.execute(select(func.now())).scalar_one())
