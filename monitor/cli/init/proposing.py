"""What an alerts.yaml for a log says: its source, how long it learns, and rules with limits that suit the data."""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any, Final

from monitor.cli.init.silence import Silence, silence
from monitor.cli.inspect.clocks import LATENESS_MS, order
from monitor.cli.inspect.concerns import Concern, concerns
from monitor.cli.inspect.reading import Reading
from monitor.cli.inspect.study import Study, study
from monitor.cli.inspect.versions import Inside, versions_inside
from monitor.cli.reaching import Learning, reached_by, reached_live
from monitor.errors import UsageError
from monitor.records.record import SEGMENT

_LONGEST_NAME: Final = 60
_SLICES: Final = 3
_FEW_VALUES: Final = 30


@dataclass(frozen=True, slots=True)
class Proposal:
    """A configuration for `study`'s log; `merged` says which names became versions of one model."""

    study: Study
    concerns: list[Concern]
    learning: Learning
    lateness_ms: int
    silence: Silence
    min_n: int
    slices: tuple[str, ...]
    topic: str
    merged: Inside | None


def proposal(found: Study) -> Proposal:
    """Look at the log once more where its model names hold versions, as one stream.

    Raises UsageError for a log without predictions, as of labels alone.
    """
    if not found.models:
        raise UsageError(
            f"{found.taken.name} has labels or ratings only: give the log of the predictions, and add this one to what "
            "is written as a source of its own (several topics, docs/formats.md)"
            if found.outcome.n
            else f"nothing in {found.taken.name} is a record: tocsin inspect says why"
        )
    merged = versions_inside(found)
    if merged is not None:
        found = study(found.taken, reading=_split(found.reading, merged))
    learning = _learned(found)
    return Proposal(
        study=found,
        concerns=concerns(found),
        learning=learning,
        lateness_ms=order(found).lateness_ms or LATENESS_MS[-1],
        silence=silence(found),
        min_n=max(20, min(100, learning.learn // 20)),
        slices=("version", *_segments(found)),
        topic=found.taken.name if found.taken.of_topic else _topic(found.taken.name),
        merged=merged,
    )


def _split(reading: Reading, merged: Inside) -> Reading:
    """The same with the version taken out of the name of the model."""
    found: Any = reading.map.get("model", "model" if reading.preset is None else None)
    if found is None or isinstance(found, dict):
        return reading
    model = {"field": found, "split": merged.pattern}
    return replace(
        reading,
        map={"model": model, **{k: v for k, v in reading.map.items() if k not in ("model", "version")}},
    )


def _learned(found: Study) -> Learning:
    """What the smallest of the models reaches that make most of the traffic: in this log, or on a live topic."""
    least = 0.1 * found.predictions
    n = min((n for n in found.models.values() if n >= least), default=found.predictions)
    return (reached_live if found.taken.of_topic else reached_by)(n, found.span_ms)


def _segments(found: Study) -> Iterator[str]:
    """Members of `segment` by which incidents can be told apart: those of few values, unlike a session."""
    values = defaultdict[str, set[object]](set)
    for segment in filter(None, found.outcome.column(SEGMENT)):
        for name, value in segment.items():
            values[name].add(value)
    few = (name for name, seen in values.items() if len(seen) <= _FEW_VALUES)
    fitting = sorted(name for name in few if re.fullmatch(r"[A-Za-z0-9_-]{1,100}", name))
    return (f"{SEGMENT}.{name}" for name in fitting[:_SLICES])


def _topic(name: str) -> str:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(name).name.split(".")[0]).strip("-.")
    return stem[:_LONGEST_NAME] or "predictions"
