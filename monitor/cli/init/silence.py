"""How long a model may say nothing: five times its own longest pause in a log."""

from collections.abc import Iterator
from dataclasses import dataclass
from glob import escape
from itertools import pairwise
from typing import Any, Final

import numpy as np

from monitor.cli.inspect.study import Study
from monitor.cli.rounding import duration, duration_up

LEAST_MS: Final = 120_000
MOST_MS: Final = 86_400_000
_TIMES: Final = 5
_FEWEST: Final = 20
_BUSY: Final = 0.1
_MOST_NAMED: Final = 30


@dataclass(frozen=True, slots=True)
class Silence:
    """`absent_ms` is for all models but those in `others`, which have their own, or None: these come too seldom."""

    absent_ms: int
    others: tuple[tuple[int | None, tuple[str, ...]], ...] = ()

    @property
    def rule(self) -> dict[str, Any]:
        """As it stands in alerts.yaml."""
        lines = [
            {"match": {"model": list(map(escape, models))}}
            | ({"enabled": False} if absent_ms is None else {"absent": duration(absent_ms)})
            for absent_ms, models in self.others
        ]
        plain = {"name": "silence", "absent": duration(self.absent_ms), "severity": "critical"}
        return plain | ({"overrides": lines} if lines else {})


def silence(study: Study) -> Silence:
    """What the models bear that make most of the traffic, and longer for those that come more seldom.

    Where there are too many of these to be named, the others are, and all but those may be silent for a day.
    """
    limits = {model: _limit(n, pause_ms) for model, n, pause_ms in _pauses(study)}
    busiest = study.models.most_common(1)[0][0]
    busy = {model for model, n in study.models.items() if n >= _BUSY * study.predictions} | {busiest}
    usual = max(limits.get(model, LEAST_MS) or MOST_MS for model in busy)
    seldom = {model: ms for model, ms in limits.items() if ms is None or ms > usual}
    if len(seldom) > _MOST_NAMED:
        often = [model for model, _ in study.models.most_common(_MOST_NAMED) if model not in seldom]
        return Silence(MOST_MS, ((usual, tuple(sorted(often))),))
    by_limit = sorted(set(seldom.values()), key=lambda ms: ms or 2 * MOST_MS)
    return Silence(
        usual, tuple((ms, tuple(sorted(m for m, own in seldom.items() if own == ms))) for ms in by_limit)
    )


def _limit(n: int, pause_ms: float) -> int | None:
    wanted = max(LEAST_MS, _TIMES * pause_ms)
    return None if n < _FEWEST or wanted > MOST_MS else duration_up(wanted)


def _pauses(study: Study) -> Iterator[tuple[str, int, float]]:
    """Each model, how often it comes, and its longest pause."""
    names = study.columns.names("model")
    # What comes of labels and ratings breaks no silence.
    known = ~np.isnan(study.ts_ms) & (names.codes >= 0) & study.batch.prediction
    codes, at = names.codes[known], study.ts_ms[known]
    order = np.lexsort((at, codes))
    codes, at = codes[order], at[order]
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    for first, end in pairwise([*starts.tolist(), codes.size]):
        times = at[first:end]
        yield names.names[codes[first]], times.size, float(np.diff(times).max(initial=0.0))
