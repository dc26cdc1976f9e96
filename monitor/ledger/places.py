"""Ids for names, at most so many in use at a time (rule 14).

What is decided depends on the tables and the database's clock alone, under one lock, so every replica gives a
name the same id. A name not seen for long loses its place but not its id: it has it again once there is room.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, Engine, text

Name = tuple[Any, ...]

RETIRE_AFTER_MS: Final = 7 * 86_400_000

_TOUCH_S: Final = 3_600.0
_REFUSED_S: Final = 60.0
_CACHED: Final = 100_000
_LOCK: Final = text("SELECT pg_advisory_xact_lock(1953457014)")
_AGE: Final = "(extract(epoch FROM now() - t.seen_at) * 1000)::bigint"
_RECENT: Final = "t.seen_at > now() - :retire_ms * interval '1 millisecond'"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A table of ids, as SQL over `wanted`: the names as rows, made of the arrays `:a`, `:b` and `:c`.

    `find`: id and age of each name in order, nulls where there is none. `count`: groups, each with the number
    of its recent names. A cap is for a `group`, and not for `uncapped` names.
    """

    wanted: str
    find: str
    count: str
    insert: str
    touch: str
    group: Callable[[Name], Name]
    uncapped: Callable[[Name], bool]


@dataclass(frozen=True, slots=True)
class Ages:
    """A name not seen for `retire_ms` loses its place; that it was seen is written every `touch_ms`."""

    retire_ms: int
    touch_ms: int


@dataclass(frozen=True, slots=True)
class _Found:
    name: Name
    id: int | None
    age_ms: int

    def placed(self, ages: Ages) -> bool:
        return self.id is not None and self.age_ms < ages.retire_ms

    def stale(self, ages: Ages) -> bool:
        return self.placed(ages) and self.age_ms > ages.touch_ms

    def fresh(self, ages: Ages) -> bool:
        return self.id is not None and self.age_ms < ages.retire_ms // 2


class LedgerIds:
    """Ids of the ledger's tables, remembered for a while; may be shared by threads.

    Names unseen for `retire_after_ms` make room. Each call is one short transaction of its own, or none. Raises
    SQLAlchemy's errors.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        retire_after_ms: int = RETIRE_AFTER_MS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        # A place is never lost while an id is remembered.
        self._keep_s = min(_TOUCH_S, retire_after_ms / 1000 / 24)
        self._ages = Ages(retire_after_ms, int(self._keep_s * 1000))
        self._clock = clock
        self._known: dict[tuple[Shelf, Name], tuple[int | None, float]] = {}

    def __call__(self, shelf: Shelf, names: Sequence[Name], cap: int) -> list[int | None]:
        """The id of each name."""
        now = self._clock()
        asked = [n for n in dict.fromkeys(names) if self._known.get((shelf, n), (None, now))[1] <= now]
        if asked:
            with self._engine.begin() as connection:
                ids = admit(connection, shelf, asked, cap, self._ages)
            self._forget(now)
            for name, found in zip(asked, ids, strict=True):
                keep_s = self._keep_s if found is not None else min(_REFUSED_S, self._keep_s)
                self._known[shelf, name] = (found, now + keep_s)
        return [self._known[shelf, name][0] for name in names]

    def _forget(self, now: float) -> None:
        if len(self._known) > _CACHED:
            self._known = {key: kept for key, kept in self._known.items() if kept[1] > now}


def admit(
    connection: Connection, shelf: Shelf, names: Sequence[Name], cap: int, ages: Ages
) -> list[int | None]:
    """The id of each of the distinct `names`, None where there is no place; locks only to decide."""
    found = _find(connection, shelf, names)
    if all(f.fresh(ages) for f in found):
        _touch(connection, shelf, [f.name for f in found if f.stale(ages)], "SKIP LOCKED")
        return [f.id for f in found]
    connection.execute(_LOCK)
    found = _find(connection, shelf, names)
    without = [f.name for f in found if not f.placed(ages)]
    entering = set(entrants(shelf, without, _taken(connection, shelf, found, ages), cap))
    new = [f.name for f in found if f.id is None and f.name in entering]
    if new:
        _run(connection, shelf, shelf.insert, new)
    again = [f.name for f in found if f.id is not None and (f.name in entering or f.stale(ages))]
    _touch(connection, shelf, again, "")
    return [f.id if f.placed(ages) else None for f in _find(connection, shelf, names)]


def entrants(shelf: Shelf, names: Iterable[Name], taken: Mapping[Name, int], cap: int) -> list[Name]:
    """Those of `names`, which have no place, that get one, first come first served; `taken` is by group."""
    coming: Counter[Name] = Counter()
    found = []
    for name in names:
        if not shelf.uncapped(name):
            group = shelf.group(name)
            coming[group] += 1
            if taken.get(group, 0) + coming[group] > cap:
                continue
        found.append(name)
    return found


def _taken(connection: Connection, shelf: Shelf, found: Sequence[_Found], ages: Ages) -> dict[Name, int]:
    names = [f.name for f in found]
    rows = _run(connection, shelf, shelf.count, names, retire_ms=ages.retire_ms)
    return {tuple(row[:-1]): row[-1] for row in rows}


def _find(connection: Connection, shelf: Shelf, names: Sequence[Name]) -> list[_Found]:
    rows = _run(connection, shelf, shelf.find, names).all()
    return [_Found(name, i, age or 0) for name, (i, age) in zip(names, rows, strict=True)]


def _touch(connection: Connection, shelf: Shelf, names: Sequence[Name], skip: str) -> None:
    """With SKIP LOCKED it does not wait for the judge's tick, which updates the same rows."""
    if names:
        _run(connection, shelf, shelf.touch.replace("{skip}", skip), names)


def _run(
    connection: Connection, shelf: Shelf, sql: str, names: Sequence[Name], **values: int
) -> CursorResult[*tuple[Any, ...]]:
    columns = {letter: list(column) for letter, column in zip("abc", zip(*names, strict=True), strict=False)}
    return connection.execute(
        text(sql.format(wanted=shelf.wanted, age=_AGE, recent=_RECENT)), {**columns, **values}
    )
