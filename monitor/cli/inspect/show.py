"""A study on the screen: short and aligned, for eighty columns."""

import shlex
from typing import Final

from rich.table import Table

from monitor.cli.found import iso
from monitor.cli.inspect.concerns import Concern
from monitor.cli.inspect.fields import rows
from monitor.cli.inspect.reading import flow
from monitor.cli.inspect.study import Seen, Study
from monitor.cli.inspect.wants import lacking
from monitor.cli.printed import Screen
from monitor.ledger.wording import MARK, amount, clip, digits, duration, percent
from monitor.records.settings import NO_VALUE
from monitor.records.signals import Kind

WIDTH: Final = 80
MOST_IDLE: Final = 8
"""Fields shown that nothing reads."""
_PLACE: Final = 28
_HALF: Final = 12
_EXAMPLE: Final = 14
_SHOWN: Final = (0.01, 0.5, 0.99)
_FEW: Final = 4


def show(study: Study, concerns: list[Concern]) -> None:
    """Print it."""
    screen = Screen(width=None if Screen().is_terminal else WIDTH, highlight=False)
    for line in _head(study):
        screen.print(line, soft_wrap=False)
    screen.print(_fields(study))
    if study.seen:
        screen.print(_signals(study))
    unseen = [f"{want.unseen} (no {want.fields})" for want in lacking(study)]
    if unseen and study.predictions:
        screen.print(f"not seen: {'; '.join(unseen)}")
    for concern in concerns:
        screen.print(f"warning: {concern.sentence}", style="yellow")
    if not study.taken.of_topic and study.predictions:
        screen.print(f"next: tocsin init {shlex.quote(study.taken.name)}")


def _head(study: Study) -> list[str]:
    taken, outcome = study.taken, study.outcome
    what = "messages" if taken.of_topic else "lines"
    first = "" if taken.whole else "newest " if taken.of_topic else "first "
    lines = [f"{taken.name}: {first}{len(taken.values):,} {what}, {outcome.n:,} records"]
    if outcome.ignored:
        lines.append(f"ignored: {outcome.ignored:,} are none that the format's `where` names")
    lines += [
        f"no records: {n:,} {reason} ({outcome.why[reason]})" for reason, n in outcome.refused.most_common()
    ]
    if taken.too_large:
        lines.append(f"no records: {taken.too_large:,} are over 1 MiB")
    return [*lines, *_read_as(study), *_when(study), _streams(study)]


def _read_as(study: Study) -> list[str]:
    reading = study.reading
    if reading.preset:
        others = [f"{f.reading.name} {f.score:.0f}" for f in study.fits if f.reading != reading][:2]
        beside = f", better than {' and '.join(others)}" if others else ""
        return [f"format: {reading.preset}{beside}"]
    if not reading.map:
        return ["format: Tocsin's own record"]
    lines = ["format: none that is known; a mapping that fits, by names and values:"]
    for name, value in reading.map.items():
        note = f"  # {reading.notes[name]}" if name in reading.notes else ""
        lines.append(f"  {name}: {flow(value)}{note}")
    return lines


def _when(study: Study) -> list[str]:
    known = study.ts_ms[study.ts_ms == study.ts_ms]
    if not known.size:
        return []
    first, last = (iso(int(t))[:19].replace("T", " ") for t in (known.min(), known.max()))
    rate = f", {digits(known.size / study.span_ms * 1_000)} a second" if study.span_ms else ""
    times = f"times: {first} to {last} UTC, {duration(study.span_ms)}{rate}"
    ends = "  a request's end, or its start? look at one that timed out: docs/first-hour.md"
    return [times, ends] if study.predictions else [times]


def _streams(study: Study) -> str:
    total = sum(study.models.values()) or 1
    if not study.models:
        return "models: none that predicts" if study.outcome.n else "models: none"
    some = [f"{clip(name, 30)} {percent(n / total)}" for name, n in study.models.most_common(_FEW)]
    more = f", and {len(study.models) - _FEW:,} more" if len(study.models) > _FEW else ""
    return f"models: {', '.join(some)}{more}"


def _fields(study: Study) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("field", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("type", no_wrap=True)
    table.add_column("example", no_wrap=True)
    table.add_column("read as", overflow="fold")
    found = rows(study)
    read = sum(bool(row.read_as) for row in found)
    for row in found[: read + MOST_IDLE]:
        shown = clip(row.example, _EXAMPLE)
        table.add_row(_middle(row.place), percent(row.share), row.kinds[0], shown, ", ".join(row.read_as))
    left = len(found) - read - MOST_IDLE
    if left > 0:
        table.add_row(f"and {left:,} more: --json")
    return table


def _middle(place: str) -> str:
    """A place in one column: what tells it from others is mostly at its end."""
    return place if len(place) <= _PLACE else f"{place[:_HALF]}{MARK}{place[-(_PLACE - _HALF - 1) :]}"


def _signals(study: Study) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("signal", no_wrap=True)
    table.add_column("records", justify="right", no_wrap=True)
    table.add_column("p1 / p50 / p99, a rate, or the commonest", overflow="fold")
    for seen in study.seen.values():
        if seen.signal.kind is not Kind.TRAFFIC and not _idle(seen):
            table.add_row(seen.signal.name, f"{seen.n:,}", _figures(seen))
    return table


def _idle(seen: Seen) -> bool:
    """What says nothing: a rate of which nothing ever happened, but for errors; versions where there are none."""
    if seen.signal.name == "version":
        return set(seen.shares) == {NO_VALUE}
    return seen.signal.kind is Kind.RATE and seen.k == 0 and seen.signal.name != "error"


def _figures(seen: Seen) -> str:
    if seen.quantiles:
        return " / ".join(amount(seen.at(q), seen.signal.unit) for q in _SHOWN)
    if seen.signal.kind is Kind.RATE:
        return f"{percent(seen.rate)} ({seen.k:,})"
    some = [f"{clip(name, 24)} {percent(share)}" for name, share in list(seen.shares.items())[:_FEW]]
    return ", ".join(some) + (f", and {seen.distinct - _FEW:,} more" if seen.distinct > _FEW else "")
