"""Ids for names, at most so many in use at a time (rule 14).

What is decided depends on the tables and the database's clock alone, under one lock, so every replica gives a
name the same id. A name not seen for long loses its place but not its id: it has it again once there is room.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, CursorResult, text

Name = tuple[Any, ...]

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
    entering = _entering(connection, shelf, found, cap, ages)
    new = [f.name for f in found if f.id is None and f.name in entering]
    if new:
        _run(connection, shelf, shelf.insert, new)
    again = [f.name for f in found if f.id is not None and (f.name in entering or f.stale(ages))]
    _touch(connection, shelf, again, "")
    return [f.id if f.placed(ages) else None for f in _find(connection, shelf, names)]


def _entering(
    connection: Connection, shelf: Shelf, found: Sequence[_Found], cap: int, ages: Ages
) -> set[Name]:
    """The names without a place that get one, first come first served."""
    names = [f.name for f in found]
    rows = _run(connection, shelf, shelf.count, names, retire_ms=ages.retire_ms)
    taken: Counter[Name] = Counter({tuple(row[:-1]): row[-1] for row in rows})
    entering = set()
    for name in (f.name for f in found if not f.placed(ages)):
        if not shelf.uncapped(name):
            group = shelf.group(name)
            taken[group] += 1
            if taken[group] > cap:
                continue
        entering.add(name)
    return entering


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
