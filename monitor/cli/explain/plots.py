"""Evidence drawn in the terminal: log M against its threshold, and the rate of each block against its limit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from math import inf, isfinite, log
from typing import Final

import plotille

from monitor.cli.explain.evidence import Trace
from monitor.ledger.wording import duration, percent

HEIGHT: Final = 9
MARGIN: Final = 11
LOWEST_LOG10: Final = -6.0
DASH: Final = 4
_LN10: Final = log(10)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Level:
    """A horizontal line across a plot, with what stands beside it."""

    y: float
    label: str


def drawn(trace: Trace, width: int) -> list[str]:
    """Both plots as lines of at most `width` characters, without colours."""
    span = (trace.blocks[0].end_ms, trace.blocks[-1].end_ms)
    marks = [(trace.onset_ms, "onset"), (trace.detected_ms, "detected")]
    each = duration(1000 * trace.block_s)
    return [
        f"log10 M after each block of {each}: an alarm at {trace.log_a / _LN10:.1f}, then muted",
        *_plot(levels(trace), [Level(trace.log_a / _LN10, f"{trace.log_a / _LN10:.1f}")], span, marks, width),
        "",
        f"k of n in each block: limit m {percent(trace.m)}{_usual(trace)}",
        *_plot(rates(trace), _limits(trace), span, marks, width, floor=0.0),
    ]


def levels(trace: Trace) -> list[Point]:
    """(ms, log10 M) after each block; a muted row has none."""
    shown = [(float(b.end_ms), max(b.log_m / _LN10, LOWEST_LOG10)) for b in trace.blocks if isfinite(b.log_m)]
    return shown or [(float(trace.detected_ms), LOWEST_LOG10)]


def rates(trace: Trace) -> list[Point]:
    """(ms, k/n) of each block that has records."""
    return [(float(b.end_ms), b.k / b.n) for b in trace.blocks if b.n]


def _usual(trace: Trace) -> str:
    return f", usually {percent(trace.p_ref)}" if isfinite(trace.p_ref) else ""


def _limits(trace: Trace) -> list[Level]:
    found = [Level(trace.m, f"m {percent(trace.m)}")]
    usual = [Level(trace.p_ref, percent(trace.p_ref))] if isfinite(trace.p_ref) else []
    return found + usual


def _plot(
    points: Sequence[Point],
    across: Sequence[Level],
    span: tuple[float, float],
    marks: Sequence[tuple[float, str]],
    width: int,
    *,
    floor: float = inf,
) -> list[str]:
    ys = [y for _, y in points] + [level.y for level in across]
    low, high = min(*ys, floor), max(ys)
    high += 0.15 * (high - low) or 1.0
    columns = width - MARGIN - 2
    canvas = plotille.Canvas(columns, HEIGHT, span[0], low, max(span[1], span[0] + 1), high)
    for level in across:
        _dashed(canvas, level.y, span)
    for x, _ in marks:
        if span[0] <= x <= span[1]:
            _dotted(canvas, x, low, high)
    for (x0, y0), (x1, y1) in pairwise(points):
        canvas.line(x0, y0, x1, y1)
    rows = canvas.plot().splitlines()
    labels = _labels(across, low, high, len(rows))
    body = [f"{label:>{MARGIN}} {row}".rstrip() for label, row in zip(labels, rows, strict=True)]
    return [*body, *_axis(span, marks, columns)]


def _dashed(canvas: plotille.Canvas, y: float, span: tuple[float, float]) -> None:
    pieces = 2 * max(canvas.width // DASH, 1)
    step = (span[1] - span[0]) / pieces
    for i in range(0, pieces, 2):
        canvas.line(span[0] + i * step, y, span[0] + (i + 1) * step, y)


def _dotted(canvas: plotille.Canvas, x: float, low: float, high: float) -> None:
    dots = 2 * HEIGHT
    for i in range(dots):
        canvas.point(x, low + (i + 0.5) / dots * (high - low))


def _labels(across: Sequence[Level], low: float, high: float, rows: int) -> list[str]:
    """Beside each row its level's label; of two that fall on one row the higher goes one up."""
    labels = [""] * rows
    for level in sorted(across, key=lambda level: level.y):
        at = rows - 1 - min(int((level.y - low) / (high - low) * rows), rows - 1)
        free = [i for i in (at, at - 1) if i >= 0 and not labels[i]]
        if free:
            labels[free[0]] = level.label
    return labels


def _axis(span: tuple[float, float], marks: Sequence[tuple[float, str]], columns: int) -> list[str]:
    """Two lines below: the times at both ends and of the marks, and what the marks are."""

    def column(x: float) -> int:
        return round((x - span[0]) / max(span[1] - span[0], 1) * (columns - 1))

    inside = [(column(x), f"{_clock(x)} {name}") for x, name in marks if span[0] <= x <= span[1]]
    lines = [_written([(0, _clock(span[0])), (columns - 8, _clock(span[1]))], columns)]
    lines += [_written([(at, text)], columns, pointer=True) for at, text in inside]
    return [f"{'UTC' if i == 0 else '':>{MARGIN}} {line}".rstrip() for i, line in enumerate(lines)]


def _written(texts: Sequence[tuple[int, str]], columns: int, *, pointer: bool = False) -> str:
    line = [" "] * columns
    for at, text in texts:
        shown = text if not pointer else f"^ {text}" if at + len(text) + 2 <= columns else f"{text} ^"
        first = at if not pointer or shown[0] == "^" else at - len(shown) + 1
        first = min(max(first, 0), columns - len(shown))
        line[first : first + len(shown)] = shown
    return "".join(line)


def _clock(ms: float) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%H:%M:%S}"
