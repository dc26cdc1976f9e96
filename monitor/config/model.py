"""alerts.yaml as values: what the loader makes and everything else reads. Durations are ms."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any

from monitor.config.objectives import Objective
from monitor.records.names import stream_key
from monitor.records.signals import BY_CODE, BY_NAME, Side, Signal
from monitor.records.user_signals import UserSignal


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
        matches = all(_accepts(globs, known.get(label, "")) for label, globs in self.labels.items())
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


def _accepts(globs: tuple[str, ...], value: str) -> bool:
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


@dataclass(frozen=True, slots=True)
class Source:
    """`start` is "latest", "earliest", or ms since the epoch; a relative start is negative ms.

    `client` holds security_*, sasl_* and ssl_* as kafka-python names them, secrets read from their files.
    """

    bootstrap_servers: str
    topics: tuple[str, ...]
    group: str
    start: str | int
    lateness_ms: int
    max_record_bytes: int
    client: Mapping[str, str | bool] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Streams:
    """What makes a stream, what is counted within one, and the labels that streams are given beside `by`."""

    by: tuple[str, ...]
    slices: tuple[str, ...]
    max: int
    retire_after_ms: int
    namings: tuple[Naming, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of all labels that a stream can have."""
        return tuple(dict.fromkeys((*self.by, *(label for n in self.namings for label in n.given))))


@dataclass(frozen=True, slots=True)
class Learning:
    """When a reference is learned: predictions, and time between the first and the last.

    `by_hour`: for each hour of the week too.
    """

    learn: int
    at_least_ms: int
    by_hour: bool = False


@dataclass(frozen=True, slots=True)
class FalseAlarms:
    """Expected false alarms per ms, by severity; a single number stands under `any`.

    With `per`, all but `kill` holds for the streams of each value of that label by themselves.
    """

    rates: Mapping[str, float]
    kill: float | None
    text: str
    per: str | None = None


@dataclass(frozen=True, slots=True)
class Receiver:
    """`kind` is one of `receiver_kinds`; `settings` are its keys with their values, secrets among them."""

    name: str
    kind: str
    settings: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Guard:
    """What keeps a rule from pulling a switch: others pulled within `within_ms`, few or old records."""

    at_most: int
    within_ms: int
    min_n: int
    fresh_ms: int


@dataclass(frozen=True, slots=True)
class Release:
    """An automatic release: `after_ms` tripped, `share` of the traffic is let through for at least `probe_ms`."""

    after_ms: int
    share: float
    probe_ms: int


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """`mode` disable, degrade or rollback; `target` what it degrades or rolls back to.

    `url` is None where it has no webhook, `topic` where its states stand in no topic (`topic` in it is the name, the
    rest is the connection). With labels in `per` it has a state for each of their values, see `value_of`; else one.
    `release` None is by hand.
    """

    name: str
    url: str | None = field(repr=False)
    secret: str = field(repr=False)
    mode: str
    target: str | None
    guard: Guard
    notify: tuple[str, ...]
    per: tuple[str, ...] = ()
    dry_run: bool = False
    release: Release | None = None
    ca_file: str | None = None
    topic: Mapping[str, Any] | None = field(default=None, repr=False)


SwitchKey = tuple[str, str]
"""A switch and which of its states: the value of its labels, '' where it has one state for all streams."""


def value_of(per: tuple[str, ...], labels: Mapping[str, str]) -> str | None:
    """Which state of a switch with labels `per` a stream's `labels` mean, as text; None where one is missing.

    >>> value_of(("model",), {"model": "chat-eu", "team": "search"})
    'chat-eu'
    """
    if not all(labels.get(label) for label in per):
        return None
    return stream_key(labels[label] for label in per)


def flag_name(name: str) -> str:
    """`name` as part of a flag's name, in which clients escape nothing.

    >>> flag_name("chat/eu v2")
    'chat_eu_v2'
    """
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)


@dataclass(frozen=True, slots=True)
class Labels:
    """For how long predictions are remembered for labels that come later, and how many of them at most."""

    join_ms: int
    most: int


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """Where a sign of life goes, and how often."""

    url: str = field(repr=False)
    every_ms: int


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file. `config_hash` is of the text before variables expand; `redacted` has no secrets.

    `default_notify` hears of Tocsin's own incidents. `links` are names with addresses that hold `{label}`.
    """

    path: str
    name: str
    source: Source
    store_url: str = field(repr=False)
    streams: Streams
    learning: Learning
    false_alarms: FalseAlarms
    fresh_ms: int
    default_notify: tuple[str, ...]
    bad_below: float
    rules: tuple[Rule, ...]
    receivers: Mapping[str, Receiver]
    kill_switches: Mapping[str, KillSwitch]
    http_host: str
    http_port: int
    http_token: str | None = field(repr=False)
    config_hash: str
    redacted: str
    signals: tuple[UserSignal, ...] = ()
    labels: Labels | None = None
    links: tuple[tuple[str, str], ...] = ()
    mutes: tuple[Mute, ...] = ()
    heartbeat: Heartbeat | None = None

    def signal(self, name: str) -> Signal:
        """The signal that a rule calls `name`, Tocsin's or the file's own. Raises KeyError for any other."""
        own = {s.name: s for user in self.signals for s in (user.signal, user.missing)}
        return own[name] if name in own else BY_NAME[name]

    def coded(self, code: int) -> Signal | None:
        """The signal that the ledger stores as `code`; None where the file defines it no more."""
        own = {s.code: s for user in self.signals for s in (user.signal, user.missing)}
        return own.get(code) or BY_CODE.get(code)
