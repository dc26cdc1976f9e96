"""The judge's state as stored parts: msgpack with arrays as bytes, compressed, and the grid they were made for."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import zstandard

from detectors.bets import COMPONENTS
from detectors.learning_watch import LearningWatch
from monitor.errors import SchemaMismatch
from monitor.judge.burning import ObjectiveState
from monitor.judge.evidence import WatchState
from monitor.judge.hours import Hours
from monitor.judge.reference import Key, Learner, Reference
from monitor.judge.state import JudgeState, Young
from monitor.judge.total import TotalState
from monitor.judge.traffic import Week
from monitor.judge.trial import Trial
from monitor.judge.watermark import Progress


class Core(msgspec.Struct, frozen=True):
    """What changes from second to second: incidents, windows, kill evidence, the watermark."""

    components: int
    core: JudgeState
    progress: Progress
    recent: tuple[tuple[int, int, int], ...] = ()


class _Position(msgspec.Struct, frozen=True):
    next_pane: int | None = None


class _Standing(msgspec.Struct, frozen=True):
    core: _Position


class Evidence(msgspec.Struct, frozen=True):
    """What changes with every closed pane: evidence, references and what they are learned from."""

    watches: Mapping[str, WatchState]
    learners: Mapping[Key, Learner]
    references: Mapping[Key, Reference]
    trials: Mapping[int, Trial]
    weeks: Mapping[int, Week]
    totals: Mapping[str, TotalState]
    young: Mapping[Key, tuple[tuple[float, ...], float, int]]
    hour: Mapping[Key, Hours]
    objectives: Mapping[str, ObjectiveState]


def encode_core(core: JudgeState, progress: Progress, recent: tuple[tuple[int, int, int], ...]) -> bytes:
    """Everything but the evidence, as one compressed blob."""
    rest = replace(core, watches={}, learners={}, references={}, trials={}, weeks={}, totals={}, young={})
    rest = replace(rest, hour={}, hours={}, objectives={})
    return _compressed(_encoder.encode(Core(COMPONENTS, rest, progress, recent)))


def encode_evidence(core: JudgeState) -> bytes:
    """The evidence as one compressed blob."""
    young = {key: (y.watch.means, y.total, y.n) for key, y in core.young.items()}
    evidence = Evidence(
        watches=core.watches,
        learners=core.learners,
        references=core.references,
        trials=core.trials,
        weeks=core.weeks,
        totals=core.totals,
        young=young,
        hour=core.hour,
        objectives=core.objectives,
    )
    return _compressed(_encoder.encode(evidence))


def encode_hours(core: JudgeState) -> bytes:
    """The hours of the week that have passed, as one compressed blob."""
    return _compressed(_encoder.encode(core.hours))


def _compressed(raw: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=1).compress(raw)


def next_pane(core: bytes) -> int | None:
    """The first pane not judged yet, from the blob of `encode_core` without decoding the rest."""
    return _standing_decoder.decode(zstandard.ZstdDecompressor().decompress(core)).core.next_pane


def decode(core: bytes, evidence: bytes, hours: bytes = b"") -> Core:
    """The whole state from its blobs, `hours` empty where there are none.

    They are of this program's version (`state_versions`). Raises SchemaMismatch for another grid.
    """
    stored = _core_decoder.decode(zstandard.ZstdDecompressor().decompress(core))
    if stored.components != COMPONENTS:
        raise SchemaMismatch(
            f"the judge's state has {stored.components} alternatives, this program {COMPONENTS}"
        )
    e = _evidence_decoder.decode(zstandard.ZstdDecompressor().decompress(evidence))
    whole = replace(
        stored.core,
        watches=e.watches,
        learners=e.learners,
        references=e.references,
        hour=e.hour,
        hours=_hours_decoder.decode(zstandard.ZstdDecompressor().decompress(hours)) if hours else {},
        trials=e.trials,
        weeks=e.weeks,
        totals=e.totals,
        objectives=e.objectives,
        young={k: Young(LearningWatch(means), total, n) for k, (means, total, n) in e.young.items()},
    )
    return msgspec.structs.replace(stored, core=whole)


def _array_out(value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        raise NotImplementedError(f"{type(value).__name__} is no part of the judge's state")
    if value.dtype.kind == "U":
        return ("U", value.shape, value.tolist())
    return (value.dtype.str, value.shape, value.tobytes())


def _array_in(_: type, value: Any) -> Any:
    kind, shape, data = value
    if kind == "U":
        return np.array(data, np.str_).reshape(shape)
    return np.frombuffer(data, np.dtype(kind)).reshape(shape).copy()


_encoder = msgspec.msgpack.Encoder(enc_hook=_array_out)
_core_decoder = msgspec.msgpack.Decoder(Core, dec_hook=_array_in)
_standing_decoder = msgspec.msgpack.Decoder(_Standing, ext_hook=lambda code, data: None)
_hours_decoder = msgspec.msgpack.Decoder(Mapping[Key, Hours], dec_hook=_array_in)
_evidence_decoder = msgspec.msgpack.Decoder(Evidence, dec_hook=_array_in)
