"""Each real stream and signal as one number a record: what per-event and window peers are given."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks import real_data
from benchmarks.detection.worlds import Array
from benchmarks.real_data import Prediction
from monitor.records.language import LanguageDetector, language_code

QUIET_SIGNAL: Final = "output_tokens"
NUMBERS: Final = "length, latency"
KINDS: Final = {"output_tokens": NUMBERS, "latency_ms": NUMBERS, "confidence": "confidence"}
"""The simulated signal that a real one is most like; all others are rates."""


@dataclass(frozen=True)
class Case:
    """`values` float64[records]; the first `quiet` come before the change, all of them where there is none."""

    stream: str
    signal: str
    values: Array
    quiet: int

    @property
    def kind(self) -> str:
        return KINDS.get(self.signal, "error")

    @property
    def changes(self) -> bool:
        return self.quiet < len(self.values)

    @property
    def title(self) -> str:
        return f"{self.stream.removeprefix('LLMDrift ')}: {self.signal}" + (
            "" if self.changes else " (quiet)"
        )


def cases(place: Path) -> Iterator[Case]:
    for stream in real_data.streams(place):
        predictions = [*stream.quiet, *stream.changed]
        for signal in stream.expected or (QUIET_SIGNAL,):
            yield Case(stream.name, signal, _values(signal, predictions), len(stream.quiet))


def _values(signal: str, predictions: Sequence[Prediction]) -> Array:
    """The signal of each record that has it."""
    if signal == "wrong_language":
        return _wrong_languages(predictions)
    read = _READ[signal]
    return np.array([float(read(p)) for p in predictions])


def _wrong_languages(predictions: Sequence[Prediction]) -> Array:
    """As Tocsin's signal, but for a text of no known language, which here counts as right: positions must not move."""
    detector = LanguageDetector()
    found = [detector.detect(p["output"]) for p in predictions]
    wanted = [language_code(p["expected_language"]) for p in predictions]
    return np.array([float(f not in ("", w)) for f, w in zip(found, wanted, strict=True)])


_READ: Final[Mapping[str, Callable[[Prediction], Any]]] = {
    "output_tokens": lambda p: p["output_tokens"],
    "latency_ms": lambda p: p["latency_ms"],
    "confidence": lambda p: p["confidence"],
    "truncated": lambda p: p["finish_reason"] == "length",
    "invalid_output": lambda p: not p["valid_output"],
    "incorrect": lambda p: p["prediction"] != p["label"],
    "cached": lambda p: not p["cache_hit"],
}
