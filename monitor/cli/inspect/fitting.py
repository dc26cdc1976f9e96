"""Which format a log is in: every preset, and Tocsin's own record, tried on some of its messages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

from monitor.cli.enveloped import unpacked
from monitor.cli.inspect.guessing import ALL, guess
from monitor.cli.inspect.places import Places, items_of
from monitor.cli.inspect.reading import Outcome, Reading, decoded
from monitor.cli.inspect.taking import Taken
from monitor.config.presets import PRESETS
from monitor.records.formats.language import Format
from monitor.records.lenient import Refused, parse_any, unframed
from monitor.records.timing import instants_ms

TRIED_ON: Final = 500
WALKED: Final = 5_000
BY_NAMES: Final = "tabular"
"""What guesses at names: a mapping that is made of the log itself fits it better."""

_WEIGHTS: Final = {
    "model": 3.0,
    "ts": 3.0,
    "status": 2.0,
    "latency_ms": 2.0,
    "output_tokens": 2.0,
    "prediction": 2.0,
}
_OFTEN: Final = 0.5

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fit:
    """How well a reading fits: `read` of `tried` messages are records with `fields`, `score` is 0 where none is."""

    reading: Reading
    tried: int
    read: int
    ignored: int
    fields: tuple[str, ...]
    score: float


def some_of(taken: Taken, most: int) -> Taken:
    """At most so many messages, evenly over all: one at random of each stretch, since what is logged may alternate."""
    n = len(taken.values)
    if n <= most:
        return taken
    rows = ((np.arange(most) + np.random.default_rng(n).random(most)) * (n / most)).astype(int).tolist()
    return replace(
        taken,
        values=_chosen(taken.values, rows),
        timestamps_ms=_chosen(taken.timestamps_ms, rows),
        keys=_chosen(taken.keys, rows),
        headers=_chosen(taken.headers, rows),
    )


def _chosen(column: Sequence[T], rows: Sequence[int]) -> list[T]:
    return [column[row] for row in rows] if column else []


def fits(taken: Taken) -> list[Fit]:
    """Every reading that finds records, best first; a mapping is among them where it finds more than the others."""
    some = some_of(taken, TRIED_ON)
    known = [fit(some, Reading(name)) for name in PRESETS if name != BY_NAMES]
    own = fit(some, Reading())
    best = max(known, key=lambda f: f.score)
    if best.score <= own.score or not best.read:
        known.append(mapped(taken, some, own))
    return sorted((f for f in (own, *known) if f.read), key=lambda f: -f.score)


def mapped(taken: Taken, some: Taken, own: Fit) -> Fit:
    """Tocsin's own record with what a guessed mapping finds beside it."""
    places = places_of(taken, None)
    made = guess(places, taken.name, missing=ALL - _good(places, own))
    if not made.map or (own.read and made.guessed <= {"segment"}):
        return replace(own, score=0.0, read=0)
    found = fit(some, made)
    # Where both read the same, the one that needs no mapping is the better.
    return replace(found, score=found.score - 0.5)


def _good(places: Places, own: Fit) -> frozenset[str]:
    """The fields that records of Tocsin's own have wherever the log has a field of that name."""
    return frozenset(own.fields) if own.read else frozenset()


def fit(some: Taken, reading: Reading) -> Fit:
    """One reading on some messages."""
    outcome = decoded(some, reading.form)
    found = tuple(name for name in outcome.table if _is_found(outcome, name))
    refused = outcome.refused.total()
    weight = sum(_weight(outcome, name) for name in found)
    share = outcome.n / (outcome.n + refused) if outcome.n else 0.0
    return Fit(reading, len(some.values), outcome.n, outcome.ignored, found, weight * share)


def _is_found(outcome: Outcome, name: str) -> bool:
    """Whether a field is there, and not mostly dropped for its type; of `ts`, whether it mostly says a time."""
    given = outcome.given(name)
    if name == "ts":
        told = int(np.count_nonzero(~np.isnan(instants_ms(outcome.column(name)))))
        return told > given / 2
    return 0 < given > outcome.dropped[name]


def _weight(outcome: Outcome, name: str) -> float:
    often = outcome.given(name) >= _OFTEN * outcome.n
    return _WEIGHTS.get(name, 1.0) * (1.0 if often else 0.5)


def places_of(taken: Taken, form: Format | None) -> Places:
    """What lies where in the items of some messages."""
    places = Places()
    for item in _items(some_of(taken, WALKED), form):
        places.add(item)
    return places


def _items(some: Taken, form: Format | None) -> Iterable[object]:
    values = unpacked_values(some, form)
    for value in values:
        parsed = parse_any(unframed(value))
        if not isinstance(parsed, Refused):
            yield from items_of(parsed, form)


def unpacked_values(some: Taken, form: Format | None) -> list[bytes]:
    """The messages themselves, where lines hold them with their headers."""
    enveloped = form is not None and form.enveloped and not some.headers
    return unpacked(some.values)[0] if enveloped else some.values
