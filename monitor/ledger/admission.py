"""Admission: which stream, slice or category of the ledger a name is, the same in every replica (rule 14)."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from sqlalchemy import Engine, text

from monitor.config.rule import Match
from monitor.ledger.places import RETIRE_AFTER_MS, Name, Shelf
from monitor.ledger.shelves import CATEGORIES, SLICES, Labels, streams
from monitor.records.delta import Intake
from monitor.records.names import OTHER, Names
from monitor.records.remap import remap, used
from monitor.records.settings import NO_VALUE
from monitor.records.signals import OTHER_CATEGORY, OTHER_STREAM

SLICES_PER_FIELD: Final = 200
CATEGORIES_PER_SIGNAL: Final = 200

_RETIRE: Final = text("""
    UPDATE tocsin_ledger.stream SET state = 'retired'
    WHERE stream_id <> 0 AND state <> 'retired' AND seen_at < now() - :ms * interval '1 millisecond'
""")


class Ids(Protocol):
    """Gives ids to distinct names, None where there is no place: at most `cap` have one of each group of the shelf."""

    def __call__(self, shelf: Shelf, names: Sequence[Name], cap: int) -> list[int | None]:
        """The id of each name."""


class Admission:
    """Which names have a place; may be shared by threads if `ids` may.

    Once `maximum` streams are in use, only those that `always` accepts are still admitted; the others are
    stream 0, `(other)`. A field of a stream has at most 200 slices in use and one called `(other)`; a signal
    of a stream 200 categories, from id 2, the others are 1.
    """

    def __init__(
        self, ids: Ids, *, maximum: int, always: Callable[[Labels], bool] = lambda labels: False
    ) -> None:
        self._ids = ids
        self._maximum = maximum
        self.shelf = streams(always)

    def streams(self, wanted: Sequence[tuple[str, Labels]]) -> list[int]:
        """The id of each (key, labels)."""
        names = {
            key: (key, json.dumps(dict(labels), sort_keys=True)) for key, labels in wanted if key != OTHER
        }
        ids = dict(zip(names, self._ids(self.shelf, list(names.values()), self._maximum), strict=True))
        return [ids.get(key) or OTHER_STREAM for key, _ in wanted]

    def slices(self, wanted: Sequence[tuple[int, str, str]]) -> list[int]:
        """The id of each (stream id, field, value)."""
        found = self._ids(SLICES, wanted, SLICES_PER_FIELD)
        placed = [n if i is not None else (*n[:2], OTHER) for n, i in zip(wanted, found, strict=True)]
        return [_certain(i) for i in self._ids(SLICES, placed, SLICES_PER_FIELD)]

    def categories(self, wanted: Sequence[tuple[int, int, str]]) -> list[int]:
        """The id of each (stream id, signal, name)."""
        names = [name for name in wanted if name[2] != OTHER]
        ids = dict(zip(names, self._ids(CATEGORIES, names, CATEGORIES_PER_SIGNAL), strict=True))
        return [ids.get(name) or OTHER_CATEGORY for name in wanted]


def translate(intake: Intake, names: Names, admission: Admission) -> Intake:
    """`intake` with the ids of admission instead of this process's codes. Raises what its `ids` raise."""
    codes = used(intake)
    keys = [names.stream(code) for code in codes.streams]
    stream_ids = dict(
        zip(codes.streams, admission.streams([(k.key, dict(k.labels)) for k in keys]), strict=True)
    )
    slices = [names.slice(code) for code in codes.slices]
    wanted = [_slice(stream_ids.get(s.stream, OTHER_STREAM), s.field, s.value) for s in slices]
    categories = [(stream_ids[s], signal, names.category(s, signal, c)) for s, signal, c in codes.categories]
    return remap(
        intake,
        stream_ids,
        dict(zip(codes.slices, admission.slices(wanted), strict=True)),
        dict(zip(codes.categories, admission.categories(categories), strict=True)),
    )


def _certain(slice_id: int | None) -> int:
    if slice_id is None:
        raise LookupError("the ledger gave no id to a slice called (other)")
    return slice_id


def _slice(stream: int, field: str, value: str) -> tuple[int, str, str]:
    """Versions of many models together say nothing: `(other)` has no values of its own."""
    return (stream, field, value if stream != OTHER_STREAM or value == NO_VALUE else OTHER)


def named_in(matches: Iterable[Match]) -> Callable[[Labels], bool]:
    """Whether a rule's match accepts labels and spells out one of them: such streams are always admitted."""
    kept = tuple(matches)
    return lambda labels: any(match.accepts(labels) and _spells(match, labels) for match in kept)


def _spells(match: Match, labels: Labels) -> bool:
    return any(labels.get(label) in globs for label, globs in match.labels.items())


def retire_unseen(engine: Engine, retire_after_ms: int = RETIRE_AFTER_MS) -> int:
    """Show as retired the streams not seen for so long; how many. Their places are free in any case."""
    with engine.begin() as connection:
        return connection.execute(_RETIRE, {"ms": retire_after_ms}).rowcount
