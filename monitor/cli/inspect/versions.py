"""Versions that stand in the names of models: one name stops as a similar one starts."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from monitor.cli.inspect.study import Study

_PATTERNS: Final = (
    r"[-_.@:/ ](?=v\d)",
    r"[-_.@:/ ](?=\d{4}-?\d{2}-?\d{2}$)",
    r"[-_.@:/ ](?=\d+(?:\.\d+)*$)",
)
_OVERLAP: Final = 0.1
"""Of the shorter of two lives: a deployment takes its time."""
_MOST_MODELS: Final = 200
_LEAST: Final = 20


@dataclass(frozen=True, slots=True)
class Inside:
    """Versions inside names: what `pattern` splits off them.

    `old` stops as `new` starts; without a `new` it is one that only looks so.
    """

    old: str
    new: str | None
    pattern: str

    def __str__(self) -> str:
        if self.new is None:
            return f"{self.old} looks like a name with a version"
        return f"{self.old} stops as {self.new} starts"


def versions_inside(study: Study) -> Inside | None:
    """Two names of one model, or names that all end in a version where nothing else says it."""
    found = _takeover(study)
    if found is not None or study.outcome.given("version"):
        return found
    pattern = _PATTERNS[0]
    names = list(_common(study))
    if names and all(len(re.split(pattern, name, maxsplit=1)) > 1 for name in names):
        return Inside(names[0], None, pattern)
    return None


def _takeover(study: Study) -> Inside | None:
    lives = _lives(study)
    for pattern in _PATTERNS:
        stems: dict[str, list[str]] = {}
        for name in lives:
            parts = re.split(pattern, name, maxsplit=1)
            if len(parts) > 1:
                stems.setdefault(parts[0], []).append(name)
        for names in stems.values():
            in_order = sorted(names, key=lambda name: lives[name])
            for old, new in pairwise(in_order):
                if _follows(lives[old], lives[new]):
                    return Inside(old, new, pattern)
    return None


def _lives(study: Study) -> dict[str, tuple[float, float]]:
    """The first and last time of each model."""
    names = study.columns.names("model")
    known = ~np.isnan(study.ts_ms) & study.batch.prediction
    lives = {}
    for name in _common(study):
        at = study.ts_ms[known & (names.codes == names.names.index(name))]
        if at.size >= _LEAST:
            lives[name] = float(at.min()), float(at.max())
    return lives


def _common(study: Study) -> Iterable[str]:
    return (name for name, _ in study.models.most_common(_MOST_MODELS))


def _follows(old: tuple[float, float], new: tuple[float, float]) -> bool:
    shorter = min(old[1] - old[0], new[1] - new[0])
    return old[0] < new[0] and old[1] - new[0] <= _OVERLAP * shorter
