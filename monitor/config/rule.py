"""One rule of alerts.yaml as values: its limits, whom it matches, when it holds and who is told. Durations are ms."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

from monitor.config.objectives import Objective
from monitor.records.signals import Side


class Severity(StrEnum):
    """How loudly an incident speaks, mildest first."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        return ("info", "warning", "critical").index(self.value)


class LimitKind(StrEnum):
    """What a LIMIT is held against; the loader turns REFERENCE into its tolerance."""

    ABSOLUTE = "absolute"
    POINTS = "points"
    TIMES = "times"
    REFERENCE = "reference"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Limit:
    """One LIMIT: `5%` is ABSOLUTE 0.05, `800ms` ABSOLUTE 800, `5pp` POINTS 0.05, `2x` TIMES 2.

    DEFAULT stands for a limit left out; `text` is as the user wrote it.
    """

    kind: LimitKind
    value: float
    text: str


class RuleKind(StrEnum):
    """The one condition of a rule; ABOVE where it has `below` too."""

    ABOVE = "above"
    BELOW = "below"
    DRIFT = "drift"
    OBJECTIVE = "objective"
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Bound:
    """One side of a rule with its tiers, mildest severity first."""

    side: Side
    tiers: tuple[tuple[Severity, Limit], ...]


@dataclass(frozen=True, slots=True)
class Match:
    """Label globs; every label must match one of its globs, and none of its `!` globs.

    `namings` are there where a glob is of a label that only `streams.labels` gives. With `choice` the streams are also
    told by the overrides that are in effect for them.
    """

    labels: Mapping[str, tuple[str, ...]]
    namings: "tuple[Naming, ...]" = ()
    choice: "Choice | None" = None

    def accepts(self, labels: Mapping[str, str]) -> bool:
        known = labelled(labels, self.namings)
        matches = all(accepts(globs, known.get(label, "")) for label, globs in self.labels.items())
        return matches and (self.choice is None or self.choice.holds(labels))


@dataclass(frozen=True, slots=True)
class Choice:
    """Which lines of a rule's `overrides` are in effect for a variant of it.

    `lines` are all of them, each with the keys that it sets; `won` says for every key which line it is from.
    """

    lines: tuple[tuple[Match, frozenset[str]], ...]
    won: frozenset[tuple[str, int]]

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether a stream with these labels of its own has this variant."""
        won: dict[str, int] = {}
        for i, (match, keys) in enumerate(self.lines):
            if match.accepts(labels):
                won.update(dict.fromkeys(keys, i))
        return won.items() == self.won

    @property
    def name(self) -> str:
        """What tells the variant from others, whatever its limits are; "" for the rule as it is without overrides."""
        if not self.won:
            return ""
        told = sorted((key, sorted(self.lines[i][0].labels.items())) for key, i in self.won)
        return hashlib.sha256(repr(told).encode()).hexdigest()[:8]


def accepts(globs: tuple[str, ...], value: str) -> bool:
    """Whether a value matches one of the globs that want it, and none of the `!` globs."""
    denied = [g[1:] for g in globs if g.startswith("!")]
    wanted = [g for g in globs if not g.startswith("!")]
    if any(fnmatchcase(value, g) for g in denied):
        return False
    return not wanted or any(fnmatchcase(value, g) for g in wanted)


@dataclass(frozen=True, slots=True)
class Naming:
    """One line of `streams.labels`: the labels that streams accepted by `match` are given."""

    match: Match
    given: Mapping[str, str]


def labelled(labels: Mapping[str, str], namings: tuple[Naming, ...]) -> Mapping[str, str]:
    """A stream's own `labels` and those that `namings` give it; later lines win."""
    if not namings:
        return labels
    known = dict(labels)
    for naming in namings:
        if naming.match.accepts(labels):
            known.update(naming.given)
    return known


@dataclass(frozen=True, slots=True)
class Span:
    """From `start` to `end`, minutes of the day, on `days` (0 is Monday); over midnight where `end` is not later."""

    days: frozenset[int]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Hours:
    """Times of the week by the clocks of `zone`; see `monitor.config.hours`."""

    spans: tuple[Span, ...]
    zone: str


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told at each severity, mildest first; a name may hold `{label}`."""

    tiers: tuple[tuple[Severity, tuple[str, ...]], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All names as written, each once."""
        return tuple(dict.fromkeys(name for _, names in self.tiers for name in names))

    def at(self, severity: Severity) -> tuple[str, ...]:
        """The names for `severity`: of the nearest milder one that is given, else of the mildest."""
        found = self.tiers[0][1] if self.tiers else ()
        for given, names in self.tiers:
            if given.rank <= severity.rank:
                found = names
        return found


@dataclass(frozen=True, slots=True)
class Mute:
    """Hours in which nobody is told of what matches: globs of labels, `rule`, `stream`, `signal` and `severity`."""

    name: str
    match: Match
    during: Hours


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; `signals` is what a list or glob stood for. `line` is its line in alerts.yaml, or in `file`.

    Of a rule with overrides there are several under one name; `overridden` are the lines in effect for this one.
    With `dry_run` its incidents are kept and nobody is told.

    A rule has one kind: `bounds` holds `above` and/or `below`, or the side of a `drift` (BOTH is one bound).
    With `window_ms` it is a plain threshold on a sliding window, with `total_ms` a limit on the sum over a sliding
    time. With `each` every value of that slice field is judged by itself, against the stream's reference.
    """

    name: str
    kind: RuleKind
    signals: tuple[str, ...]
    bounds: tuple[Bound, ...]
    match: Match
    quantile: float | None
    window_ms: int | None
    absent_ms: int | None
    severity: Severity
    min_n: int
    clear_for_ms: int
    notify: Audience
    kill: str | None
    enabled: bool
    runbook: str | None
    title: str | None
    line: int
    each: str | None = None
    total_ms: int | None = None
    file: str = ""
    dry_run: bool = False
    overridden: tuple[int, ...] = ()
    for_ms: int = 0
    during: Hours | None = None
    renotify_ms: int | None = None
    objective: Objective | None = None

    @property
    def variant(self) -> str:
        """What tells variants of one rule apart, "" for the one without overrides."""
        return "" if self.match.choice is None else self.match.choice.name
