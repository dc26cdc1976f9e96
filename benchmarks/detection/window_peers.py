"""Tools that compare windows with a reference, each in an environment of its own, tuned as river's detectors are.

Every tool gives a score a window. Its threshold is the lowest with at most one false alarm in 100,000 healthy events,
chosen on the very streams it is judged by, which is kinder than any user's choice could be.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.detection.peer_streams import EVENTS_AN_ALARM, SIGNALS, WARM_UP, Signal
from benchmarks.detection.river_peers import STEADY, Row
from benchmarks.detection.worlds import Array

HERE: Final = Path(__file__).resolve().parent
WINDOW: Final = 1_000
HEALTHY, HEALTHY_WINDOWS = 5, 40
CHANGED, CHANGED_WINDOWS = 5, 20
SEED: Final = 20_260_105
INSTALL_WITHIN_S, SCORE_WITHIN_S = 300, 300


def compared(tell: Callable[[str], None]) -> list[Row]:
    """A row for each tool that installs and each signal; a line on stderr for each that does not."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        for line in (HERE / "peers.txt").read_text().splitlines():
            if line and not line.startswith("#"):
                rows += _tool(Path(place), line.split(), tell)
    return rows


def _tool(place: Path, packages: list[str], tell: Callable[[str], None]) -> Iterator[Row]:
    name = packages[0].partition("==")[0]
    tell(f"peers: installing {' '.join(packages)}")
    python = place / name / "bin" / "python"
    try:
        _run([sys.executable, "-m", "venv", str(place / name)], INSTALL_WITHIN_S)
        _run([str(python), "-m", "pip", "install", "--quiet", "--prefer-binary", *packages], INSTALL_WITHIN_S)
        for signal in SIGNALS:
            tell(f"peers: {signal.name}, {packages[0]}")
            yield _row(place, python, name, signal)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        tell(f"peers: {packages[0]} left out: {error}")


def _row(place: Path, python: Path, name: str, signal: Signal) -> Row:
    rng = np.random.default_rng(SEED)
    healthy = _scores(
        place, python, name, (signal.null(rng, HEALTHY_WINDOWS * WINDOW) for _ in range(HEALTHY))
    )
    swinging = _scores(
        place, python, name, (signal.null(rng, HEALTHY_WINDOWS * WINDOW, True) for _ in range(HEALTHY))
    )
    allowed = healthy.size * WINDOW // EVENTS_AN_ALARM
    threshold = np.sort(healthy.ravel())[-1 - allowed]
    delays = []
    for change, values in signal.changes:
        changed = (signal.changed(rng, values, CHANGED_WINDOWS * WINDOW) for _ in range(CHANGED))
        delays.append((change, tuple(_delays(_scores(place, python, name, changed) > threshold))))
    rates = [float((x > threshold).mean() / WINDOW * EVENTS_AN_ALARM) for x in (healthy, swinging)]
    return Row(signal.name, name, STEADY, f"score > {threshold:.3g} of 1,000", *rates, tuple(delays))


def _delays(over: Array) -> Iterable[float]:
    """Events to the end of the first window that alarms, NaN without one."""
    return [float(row.argmax() + 1) * WINDOW if row.any() else float("nan") for row in over]


def _scores(place: Path, python: Path, name: str, streams: Iterable[Array]) -> Array:
    """float64[streams, windows]; a NaN of a tool counts as no change."""
    whole = np.stack(list(streams))
    source, target = place / "input.npz", place / "output.json"
    windows = whole[:, WARM_UP:].reshape(len(whole), -1, WINDOW)
    np.savez(source, reference=whole[:, :WARM_UP], windows=windows)
    _run([str(python), str(HERE / "window_worker.py"), name, str(source), str(target)], SCORE_WITHIN_S)
    scores = np.array(json.loads(target.read_text()), dtype=np.float64)
    if scores.shape != windows.shape[:2]:
        raise RuntimeError(f"{scores.shape} scores for {windows.shape[:2]} windows")
    return np.nan_to_num(scores, nan=-np.inf)


def _run(command: list[str], within_s: float) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=within_s)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}: {last}")
