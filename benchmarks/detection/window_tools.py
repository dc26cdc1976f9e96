"""The tools that compare windows with a reference: an environment for each in the user's cache, and their scores.

    python -m benchmarks.detection.window_tools

makes the environments, as `make peers` does; what does not install says so, and the others go on.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.detection.worlds import Array
from monitor.local.cache import cache_dir

HERE: Final = Path(__file__).resolve().parent
INSTALL_WITHIN_S: Final = 900
QUIET_TOOLS: Final = {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}
"""Benchmarks tell nobody that they ran."""

Pair = tuple[Array, Array]
"""A reference float64[events] and windows float64[windows, events]."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One line of peers.txt: what is installed, the tool itself first."""

    packages: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.packages[0].partition("==")[0]

    @property
    def _place(self) -> Path:
        return cache_dir() / "peers" / self.packages[0].replace("==", "-")

    @property
    def _python(self) -> Path:
        return self._place / "bin" / "python"

    @property
    def ready(self) -> bool:
        done = self._place / "ready"
        return done.exists() and done.read_text() == " ".join(self.packages)

    def install(self) -> None:
        """Raises RuntimeError with pip's own last words."""
        if self.ready:
            return
        _run([sys.executable, "-m", "venv", "--clear", str(self._place)], INSTALL_WITHIN_S)
        pip = [str(self._python), "-m", "pip", "install", "--quiet", "--prefer-binary"]
        _run([*pip, *self.packages], INSTALL_WITHIN_S)
        (self._place / "ready").write_text(" ".join(self.packages))

    def scores(self, pairs: Sequence[Pair], within_s: float) -> list[Array]:
        """A score for each window of each pair; what a tool cannot score counts as no change.

        Raises RuntimeError with the tool's own last words, or if it takes longer.
        """
        with tempfile.TemporaryDirectory() as place:
            source, target = Path(place) / "input.npz", Path(place) / "output.json"
            arrays = {f"reference_{i}": reference for i, (reference, _) in enumerate(pairs)}
            arrays |= {f"windows_{i}": windows for i, (_, windows) in enumerate(pairs)}
            np.savez(source, **arrays)  # type: ignore[arg-type]
            worker = [str(self._python), str(HERE / "window_worker.py"), self.name, str(source), str(target)]
            _run(worker, within_s)
            found = [np.nan_to_num(np.array(x, float), nan=-np.inf) for x in json.loads(target.read_text())]
        if [len(x) for x in found] != [len(windows) for _, windows in pairs]:
            raise RuntimeError(f"{self.name} gave {[len(x) for x in found]} scores")
        return found


def tools() -> list[Tool]:
    lines = (HERE / "peers.txt").read_text().splitlines()
    return [Tool(tuple(line.split())) for line in lines if line and not line.startswith("#")]


def _run(command: list[str], within_s: float) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"} | QUIET_TOOLS
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=within_s, env=environment
        )
    except subprocess.TimeoutExpired as late:
        raise RuntimeError(f"not done within {within_s:.0f} s") from late
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no message"]
        last = next((line for line in reversed(lines) if "Error" in line), lines[-1])
        raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}: {last}")


def main() -> None:
    for tool in tools():
        try:
            tool.install()
        except RuntimeError as error:
            print(f"{tool.packages[0]} left out: {error}", flush=True)
        else:
            print(f"{tool.packages[0]} is ready", flush=True)


if __name__ == "__main__":
    main()
