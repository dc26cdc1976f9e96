"""The false-alarm column: every null at every threshold."""

import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.detection.counted import FalseAlarms
from benchmarks.detection.joint import joint_false_alarms
from benchmarks.detection.nulls import Null, all_nulls
from benchmarks.detection.swings import swing_nulls
from benchmarks.detection.worlds import false_alarms

SEED: Final = 20_260_101
JOINT: Final = "400 streams coming and going, one budget"
MORE_RUNS: Final = 4
Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Size:
    """How many streams run for how many panes at one threshold: at least 20 A panes."""

    a: float
    streams: int
    panes: int
    joint_runs: int
    joint_panes: int


FULL: Final = (
    Size(1e3, 100, 2_000, 10, 4_000),
    Size(1e4, 100, 4_000, 20, 10_000),
    Size(1e5, 400, 5_000, 50, 40_000),
)
QUICK: Final = FULL[:2]


@dataclass(frozen=True, slots=True)
class Cell:
    """One null at one threshold."""

    null: str
    why: str
    found: FalseAlarms


def measured(sizes: Iterable[Size], names: Iterable[str] = (), tell: Tell = lambda _: None) -> list[Cell]:
    """All nulls whose name holds one of `names`, at all sizes."""
    wanted = tuple(names)
    nulls = [
        x for x in (*all_nulls(), *swing_nulls()) if not wanted or any(name in x.name for name in wanted)
    ]
    cells = []
    for size in sizes:
        for null in nulls:
            tell(f"A = {size.a:g}: {null.name}")
            cells.append(Cell(null.name, null.why, _counted(null, size)))
        if not wanted or any(name in JOINT for name in wanted):
            tell(f"A = {size.a:g}: {JOINT}")
            cells.append(Cell(JOINT, "weight 1 a pane over all", _joint(size)))
    return cells


def _counted(null: Null, size: Size) -> FalseAlarms:
    """The cell; where chance could explain an excess, with four more runs on fresh streams."""

    def once(rng: np.random.Generator) -> FalseAlarms:
        worlds = null.make(rng, size.streams, size.panes, size.a)
        found = [false_alarms(world, size.a) for world in worlds]
        return sum(found[1:], found[0])

    return _settled(once, null.name, size)


def _joint(size: Size) -> FalseAlarms:
    def once(rng: np.random.Generator) -> FalseAlarms:
        return joint_false_alarms(rng, size.a, size.joint_panes, size.joint_runs)

    return _settled(once, JOINT, size)


def _settled(once: Callable[[np.random.Generator], FalseAlarms], name: str, size: Size) -> FalseAlarms:
    found = once(_rng(name, size, 0))
    if found.verdict == "unclear":
        found = sum((once(_rng(name, size, more)) for more in range(1, 1 + MORE_RUNS)), found)
    return found


def _rng(name: str, size: Size, run: int) -> np.random.Generator:
    """A seed of its own for every cell, so that one can be run again alone."""
    seeds = [SEED, zlib.crc32(name.encode()), int(size.a)]
    return np.random.default_rng([*seeds, run] if run else seeds)


def table(cells: Iterable[Cell]) -> str:
    """Markdown: a line a null, a column a threshold."""
    found = list(cells)
    thresholds = sorted({cell.found.a for cell in found})
    head = ["null (p = m exactly)", *(f"A = {a:,.0f}" for a in thresholds), "blocks / A", "remark"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name in dict.fromkeys(cell.null for cell in found):
        row = sorted((cell for cell in found if cell.null == name), key=lambda cell: cell.found.a)
        figures = [_figure(cell.found) for cell in row]
        sizes = ", ".join(f"{cell.found.blocks / cell.found.a:.0f}" for cell in row)
        lines.append("| " + " | ".join([name, *figures, sizes, row[0].why]) + " |")
    return "\n".join(lines)


def explained(cells: Iterable[Cell]) -> str:
    """A line for each cell, with its interval and why."""
    return "\n".join(
        f"- {cell.null}, A = {cell.found.a:,.0f}: {cell.found}; "
        f"{'chance may explain it' if cell.found.verdict == 'unclear' else 'broken'}; {cell.why or 'unexplained'}"
        for cell in cells
    )


def _figure(found: FalseAlarms) -> str:
    low, high = found.interval
    mark = {"within": "", "unclear": " above 1, by chance perhaps", "broken": " **BROKEN**"}[found.verdict]
    return f"{found.ratio:.2f} ({low:.2f} to {high:.2f}){mark}"
