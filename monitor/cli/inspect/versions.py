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
class Takeover:
    """`old` stops as `new` starts, and what `pattern` splits off their names is all that tells them apart."""

    old: str
    new: str
    pattern: str


def takeover(study: Study) -> Takeover | None:
    """Two names of one model, where the log has such."""
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
                    return Takeover(old, new, pattern)
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
