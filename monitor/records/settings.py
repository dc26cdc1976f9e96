"""What measuring depends on, as plain values: records know nothing of alerts.yaml."""

from collections.abc import Iterable
from dataclasses import dataclass

from monitor.records.formats.language import Format
from monitor.records.signals import BY_CODE, Of
from monitor.records.user_signals import UserSignal

VERSION_FIELD = "version"
NO_VALUE = "(none)"


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """Which records are kept to be looked at, and how much of them.

    `drop` are paths of globs that are never kept. `share` is of all records, or of traces; `first` so many of each
    version of a stream.
    """

    text: bool = False
    drop: tuple[tuple[str, ...], ...] = ()
    share: float = 0.01
    first: int = 20


@dataclass(frozen=True, slots=True)
class MeasureSettings:
    """How records are measured; the same values on every replica give the same cells.

    `by` and `slices` name top-level fields, or `segment.<key>`; `version` is always a slice.
    `window_signals` and `kill_signals` are the codes counted in 1 s slots of event time and of Kafka time;
    `fresh_ms` is how young a record must be to count for a kill. `input_language`: whether a rule asks for
    the language of inputs too. `asked` are the codes that rules read: of `ASKED_ONLY` these alone are counted.
    `user_signals` are counted whether or not a rule reads them.
    `join_ms` is how long predictions are remembered for their labels, at most `join_most` of them; None: not at all.
    `format` says how the messages are read; None: they are prediction records. `labelled_elsewhere` says that labels
    come in another topic and need not say the model: predictions are then found by their id alone, too.
    Raises ValueError for a signal that has no slots, because it is sampled.
    """

    by: tuple[str, ...] = ("model",)
    slices: tuple[str, ...] = ()
    max_streams: int = 1000
    lateness_ms: int = 3_000
    max_record_bytes: int = 1 << 20
    bad_below: float = 0.0
    window_signals: frozenset[int] = frozenset()
    kill_signals: frozenset[int] = frozenset()
    fresh_ms: int = 60_000
    input_language: bool = False
    asked: frozenset[int] = frozenset()
    user_signals: tuple[UserSignal, ...] = ()
    join_ms: int | None = None
    join_most: int = 1_000_000
    format: Format | None = None
    labelled_elsewhere: bool = False
    samples: SampleSettings = SampleSettings()

    def __post_init__(self) -> None:
        _refuse_sampled(self.window_signals | self.kill_signals)

    @property
    def further_slices(self) -> tuple[str, ...]:
        """The slice fields besides the version."""
        return tuple(dict.fromkeys(f for f in self.slices if f != VERSION_FIELD))


def _refuse_sampled(codes: Iterable[int]) -> None:
    sampled = [s.name for s in map(BY_CODE.get, codes) if s is not None and s.of is Of.SAMPLED]
    if sampled:
        raise ValueError(
            f"{', '.join(sorted(sampled))}: sampled signals have no 1 s slots, so no window and no kill"
        )
