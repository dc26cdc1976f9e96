"""The fields of a log as rows: where each lies, how often, what of, and what it feeds."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from monitor.cli.inspect.places import Found, Path
from monitor.cli.inspect.shown import HIDDEN, example
from monitor.cli.inspect.study import Study
from monitor.config.mapping import FIELDS
from monitor.records.fields import FIELDS as OF_RECORD
from monitor.records.formats.language import EVERY, Format, Origin, places
from monitor.records.record import MODEL

WHERE: Final = "where"
"""What says which messages count is read too."""


@dataclass(frozen=True, slots=True)
class Row:
    """A place, as `map` writes it: of `share` of the items; `read_as` are the fields of a record that look there."""

    place: str
    share: float
    kinds: list[str]
    example: str
    read_as: list[str]
    signals: list[str]


def rows(study: Study) -> list[Row]:
    """Scalars, and what else is read; what feeds something comes first, the rest by how often it is there."""
    reads = _reads(study.reading.form)
    n = max(study.places.n, 1)
    made = [
        _row(found, reads.get(path) or reads.get(_list_of(path), ()), n)
        for path, found in study.places.found.items()
        if path in reads or found.scalar
    ]
    return sorted(made, key=lambda row: (not row.read_as, -row.share))


def _list_of(path: Path) -> Path:
    """Of `llm.input_messages.0.message.content` the list that was flattened into such keys."""
    name = re.split(r"(?<=\.)\d+(?:\.|$)", path[-1], maxsplit=1)[0]
    return (*path[:-1], f"{name}{EVERY}")


def _row(found: Found, read_as: tuple[str, ...], n: int) -> Row:
    private = "user" in read_as
    return Row(
        found.pointer,
        found.n / n,
        list(found.kinds),
        HIDDEN if private else example(found.path, found.example),
        list(read_as),
        sorted({signal for field in read_as if field in OF_RECORD for signal in OF_RECORD[field].signals}),
    )


def _reads(form: Format | None) -> dict[Path, tuple[str, ...]]:
    """The fields of a record by the places that they are read at."""
    found: dict[Path, tuple[str, ...]] = {}
    for field, path in _looks(form):
        if field not in found.get(path, ()):
            found[path] = (*found.get(path, ()), field)
    return found


def _looks(form: Format | None) -> Iterator[tuple[str, Path]]:
    if form is None:
        yield from ((field, (field,)) for field in (MODEL, *FIELDS))
        return
    for field, expression in form.fields.items():
        for place in places(expression):
            if place.origin is Origin.ITEM:
                yield field, place.path
    yield from ((WHERE, test.place.path) for tests in form.where for test in tests)
