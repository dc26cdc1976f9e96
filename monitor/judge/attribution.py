"""Which slice a change came with, by what each saw since the onset and its share of the excess, and which version."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from monitor.judge.history import History, SliceSeen, VersionSeen
from monitor.ledger.facts import Slice
from monitor.records.delta import I64, PANE_MS
from monitor.records.settings import NO_VALUE, VERSION_FIELD

Counts = tuple[I64, I64]

BEFORE_MS: Final = 3_600_000
MOST_SLICES: Final = 4
FEWEST_IN_SLICE: Final = 20
FEWEST_BEFORE: Final = 100
HALF: Final = 0.5
TIMES_AS_FAR: Final = 2.0
VERSION_BEFORE_MS: Final = 3_600_000
VERSION_AFTER_MS: Final = 2 * PANE_MS
VERSION_GONE_MS: Final = 300_000


@dataclass(frozen=True, slots=True)
class Question:
    """What an incident asks of every slice of its stream, from `onset_ms` to `until_ms`.

    `affected` gives the records of a histogram that the incident is about, and all; `observed` the value of its
    quantity; `usual` is the share of affected records in the reference.
    """

    stream: int
    signal: int
    onset_ms: int
    until_ms: int
    affected: Callable[[Counts], tuple[int, int]]
    observed: Callable[[Counts], float | None]
    usual: float


@dataclass(frozen=True, slots=True)
class Attribution:
    """The largest slices of the field that explains most, and its field and value where one stands out."""

    slices: tuple[Slice, ...] = ()
    cause: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    value: str
    observed: float
    n: int
    excess: float


def attribute(history: History, question: Question) -> Attribution:
    """Attribute an incident to a slice; versions are shown where no field explains it.

    A slice's excess is what it had of affected records beyond its own rate in the hour before (beyond the reference's
    rate where that is not known). One stands out with half of all excess, at twice the rate of the others.
    """
    by_field = {
        name: _seen(history, question, list(slices))
        for name, slices in groupby(
            sorted(history.slices(question.stream), key=lambda s: s.field), key=lambda s: s.field
        )
    }
    several = {name: seen for name, seen in by_field.items() if len(seen) > 1}
    causes = {name: found for name, seen in several.items() if (found := _cause(seen)) is not None}
    if VERSION_FIELD in causes and causes[VERSION_FIELD][0] == NO_VALUE:
        # A log whose failures say no version tells nothing of the version that failed.
        del causes[VERSION_FIELD], several[VERSION_FIELD]
    if causes:
        field, (value, share) = max(causes.items(), key=lambda item: (item[1][1], item[0] == VERSION_FIELD))
        return Attribution(_largest(field, several[field], value, share), (field, value))
    return Attribution(_largest(VERSION_FIELD, several.get(VERSION_FIELD, [])))


def _seen(history: History, question: Question, slices: Sequence[SliceSeen]) -> list[_Seen]:
    found = []
    for one in slices:
        during = _counts(history, question, one, question.onset_ms, question.until_ms)
        affected, n = question.affected(during)
        observed = question.observed(during)
        if n < FEWEST_IN_SLICE or observed is None:
            continue
        before = _counts(history, question, one, question.onset_ms - BEFORE_MS, question.onset_ms)
        k, many = question.affected(before)
        usual = k / many if many >= FEWEST_BEFORE else question.usual
        found.append(_Seen(one.value, observed, n, affected - usual * n))
    return found


def _counts(history: History, question: Question, one: SliceSeen, since_ms: int, until_ms: int) -> Counts:
    return history.counts(question.stream, question.signal, one.slice_id, since_ms, until_ms)


def _cause(seen: Sequence[_Seen]) -> tuple[str, float] | None:
    """The value that stands out, and its share of all excess."""
    total = sum(max(s.excess, 0.0) for s in seen)
    if total <= 0:
        return None
    first = max(seen, key=lambda s: s.excess)
    others = [s for s in seen if s is not first]
    rate = first.excess / first.n
    rest = max(sum(s.excess for s in others), 0.0) / sum(s.n for s in others)
    share = first.excess / total
    return (first.value, share) if share >= HALF and rate >= TIMES_AS_FAR * rest else None


def _largest(
    field: str, seen: Sequence[_Seen], cause: str | None = None, share: float | None = None
) -> tuple[Slice, ...]:
    """The slices to show: the cause first, then by size."""
    order = sorted(seen, key=lambda s: (s.value != cause, -s.n))[:MOST_SLICES]
    return tuple(
        Slice(
            field=field, value=s.value, observed=s.observed, n=s.n, share=share if s.value == cause else None
        )
        for s in order
    )


def version_of(
    versions: Sequence[VersionSeen], onset_ms: int, until_ms: int, cause: tuple[str, str] | None
) -> VersionSeen | None:
    """The version that appeared just before the onset; what a stream began with explains nothing, nor what it left.

    One that stands out may have appeared later: an onset is where a block begins, and that is up to 20 minutes long.
    """
    began = versions[0].first_ms if versions else 0
    used = [v for v in versions if v.version != NO_VALUE and onset_ms - v.last_ms <= VERSION_GONE_MS]
    later = [v for v in used if v.first_ms - began > VERSION_AFTER_MS]
    recent = [v for v in later if onset_ms - v.first_ms <= VERSION_BEFORE_MS]
    near = [v for v in recent if v.first_ms - onset_ms <= VERSION_AFTER_MS]
    out = [v for v in recent if (VERSION_FIELD, v.version) == cause and v.first_ms < until_ms]
    named = out or near
    return named[-1] if named else None
