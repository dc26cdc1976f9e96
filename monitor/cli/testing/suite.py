"""A file of rule unit tests as values. Times are ms; those of inputs and expectations count from the test's start."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from monitor.cli.testing.shapes import Shape
from monitor.config.model import Config


@dataclass(frozen=True, slots=True)
class Stretch:
    """Records of one stream for a time: `per_ms` of them a ms, each field like its shape.

    `learned` records like these are its reference when the test begins. Labels follow their predictions `labels_ms`
    later, None where they are in the same record.
    """

    stream: Mapping[str, str]
    lasts_ms: int
    per_ms: float
    shapes: Mapping[str, Shape]
    learned: int = 0
    labels_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Series:
    """Stretches one after the other."""

    stretches: tuple[Stretch, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """An incident as it is expected: what is None does not matter; `rule` and `summary` are globs."""

    rule: str
    stream: str | None = None
    signal: str | None = None
    severity: str | None = None
    part: str | None = None
    summary: str | None = None

    def __str__(self) -> str:
        on = f" on {self.stream}" if self.stream else ""
        about = [word for word in (self.signal, self.part, self.severity, self.summary) if word]
        return f"{self.rule}{on}" + (f" ({', '.join(about)})" if about else "")


@dataclass(frozen=True, slots=True)
class WantedNews:
    """What a receiver is told; `rule` and `text` are globs, None does not matter."""

    receiver: str
    event: str
    rule: str | None = None
    text: str | None = None

    def __str__(self) -> str:
        by = f" by {self.rule}" if self.rule else ""
        return f"{self.receiver}: {self.event}{by}" + (f", {self.text}" if self.text else "")


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be so at `at_ms`; None is not asked.

    `firing` is all that fires then, `told` all that was told since the expectation before. `kills` are
    states by switch and value.
    """

    at_ms: int
    line: int
    firing: tuple[Wanted, ...] | None = None
    not_firing: tuple[Wanted, ...] = ()
    told: tuple[WantedNews, ...] | None = None
    kills: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Case:
    """One test; `start_ms` None is the time of the first record."""

    name: str
    line: int
    start_ms: int | None
    series: tuple[Series, ...]
    records: tuple[Path, ...]
    expected: tuple[Expectation, ...]


@dataclass(frozen=True, slots=True)
class Suite:
    """The tests of one file, and the configuration that they are of."""

    path: str
    config: Config
    cases: tuple[Case, ...]
