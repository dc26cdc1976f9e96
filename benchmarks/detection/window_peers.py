"""Window tools on the same streams as everybody, tuned as river's detectors are.

Every tool gives a score a window. Its threshold is the lowest with at most one false alarm in 100,000 healthy events,
chosen on the very streams it is judged by, which is kinder than any user's choice could be. On a real stream it is
chosen on windows drawn, with replacement, from what it learned: the highest score in 20,000 records, sooner than fair.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from benchmarks.detection.peer_streams import EVENTS_AN_ALARM, SIGNALS, WARM_UP, Signal
from benchmarks.detection.real_cases import Case
from benchmarks.detection.river_peers import ALL, STEADY, Row, cell, table
from benchmarks.detection.window_tools import Pair, Tool, tools
from benchmarks.detection.worlds import Array

WINDOW: Final = 500
HEALTHY, HEALTHY_WINDOWS = 4, 80
CHANGED, CHANGED_WINDOWS = 6, 20
SEED: Final = 20_260_105
REAL_DRAWN: Final = 20_000
REAL_WINDOW, SMALL_WINDOW, LEAST_QUIET = 100, 50, 500
"""Records a window on real streams, where less than 1,000 are quiet, and the least that a tool can learn from."""
AT_ONCE: Final = 2


def compared(cases: Sequence[Case], left_s: Callable[[], float], tell: Callable[[str], None]) -> list[Row]:
    """The rows of each tool that is installed; a line on stderr for each that is not, fails, or has no time left."""
    ready = []
    for tool in tools():
        if tool.ready:
            ready.append(tool)
        else:
            tell(f"peers: {tool.packages[0]} left out: not installed, see `make peers`")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda tool: _rows(tool, cases, left_s, tell), ready)
        return [row for rows in found for row in rows]


def _rows(
    tool: Tool, cases: Sequence[Case], left_s: Callable[[], float], tell: Callable[[str], None]
) -> list[Row]:
    rows: list[Row] = []
    for signal in SIGNALS:
        tell(f"peers: {signal.name}, {tool.packages[0]}")
        try:
            like = [case for case in cases if case.kind == signal.name]
            rows += _of_signal(tool, signal, like, left_s)
            tell(table(rows[-2:]))
        except RuntimeError as error:
            tell(f"peers: {signal.name}, {tool.packages[0]} left out: {error}")
    return rows


def _of_signal(
    tool: Tool, signal: Signal, cases: Sequence[Case], left_s: Callable[[], float]
) -> Iterator[Row]:
    rng = np.random.default_rng(SEED)
    quiet = [
        signal.null(rng, HEALTHY_WINDOWS * WINDOW, swings) for swings in (False, True) for _ in range(HEALTHY)
    ]
    moved = [
        signal.changed(rng, values, CHANGED_WINDOWS * WINDOW)
        for _, values in signal.changes
        for _ in range(CHANGED)
    ]
    scores = tool.scores([_windows(stream) for stream in (*quiet, *moved)], left_s())
    steady, swinging = scores[:HEALTHY], scores[HEALTHY : 2 * HEALTHY]
    changed = scores[2 * HEALTHY :]
    real = _on_real(tool, cases, left_s)
    for tuned_on, on in ((STEADY, steady), (ALL, steady + swinging)):
        threshold = lowest(np.concatenate(on), WINDOW)
        on_steady, on_swinging = (
            float((np.concatenate(x) > threshold).mean()) / WINDOW * EVENTS_AN_ALARM
            for x in (steady, swinging)
        )
        delays = [
            (name, tuple(delay(x, threshold, WINDOW) for x in changed[i * CHANGED : (i + 1) * CHANGED]))
            for i, (name, _) in enumerate(signal.changes)
        ]
        told = f"score > {threshold:.3g} of {WINDOW}"
        yield Row(signal.name, tool.name, tuned_on, told, on_steady, on_swinging, tuple(delays), real)
        # What is chosen on a real stream's own windows knows no swings.
        real = ()


def _windows(stream: Array) -> Pair:
    return stream[:WARM_UP], stream[WARM_UP:].reshape(-1, WINDOW)


def lowest(healthy: Array, window: int) -> float:
    """The lowest threshold that at most one window in 100,000 events exceeds."""
    allowed = healthy.size * window // EVENTS_AN_ALARM
    return float(np.sort(healthy)[-1 - allowed])


def delay(scores: Array, threshold: float, window: int) -> float:
    """Events to the end of the first window that alarms, NaN without one."""
    over = scores > threshold
    return float(over.argmax() + 1) * window if over.any() else float("nan")


def _on_real(tool: Tool, cases: Sequence[Case], left_s: Callable[[], float]) -> tuple[tuple[str, str], ...]:
    enough = [case for case in cases if case.quiet >= LEAST_QUIET]
    if not enough:
        return ()
    scores = iter(tool.scores([pair for case in enough for pair in _real_pairs(case)], left_s()))
    return tuple((case.title, _real_cell(case, next(scores), next(scores))) for case in enough)


def _real_pairs(case: Case) -> tuple[Pair, Pair]:
    """The reference against windows drawn from itself, and against all that follows; one boundary is at the change."""
    window, half = _real_window(case), case.quiet // 2
    reference, rng = case.values[:half], np.random.default_rng(SEED)
    drawn = rng.choice(reference, (REAL_DRAWN // window, window))
    first = case.quiet - (case.quiet - half) // window * window
    rest = case.values[first:]
    return (reference, drawn), (reference, rest[: len(rest) // window * window].reshape(-1, window))


def _real_cell(case: Case, drawn: Array, seen: Array) -> str:
    window = _real_window(case)
    threshold, quiet = float(drawn.max()), (case.quiet - case.quiet // 2) // window
    before = int((seen[:quiet] > threshold).sum())
    return cell(delay(seen[quiet:], threshold, window), before, case.changes)


def _real_window(case: Case) -> int:
    return REAL_WINDOW if case.quiet >= 2 * LEAST_QUIET else SMALL_WINDOW
