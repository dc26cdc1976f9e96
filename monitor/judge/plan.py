"""The rules of alerts.yaml as the judge's core reads them: watches, their tiers and their share of the budget."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from detectors.tolerance import Tolerance
from monitor.config.model import KillSwitch, SwitchKey, value_of
from monitor.config.rule import Bound, Limit, Naming, Rule, Severity, labelled
from monitor.config.templates import filled
from monitor.judge.objective import ObjectiveWatch
from monitor.judge.parts import stream_of
from monitor.judge.tolerances import WatchKind
from monitor.judge.watermark import Pace
from monitor.records.delta import F64, I64
from monitor.records.signals import Side, Signal


@dataclass(frozen=True, slots=True)
class Tier:
    """One nested limit of a side: an `absolute` value of the user's, or a `tolerance` around the reference.

    `share` is its part of the watch's weight; `wider` tiers only worsen an incident; `text` is what the user wrote.
    """

    side: Side
    severity: Severity
    absolute: float | None
    tolerance: Tolerance | None
    text: str
    share: float = 1.0
    wider: bool = False


@dataclass(frozen=True, slots=True)
class Sharing:
    """Which streams share one promise: all of them, or those with the same value of the label `per`.

    Streams without the label share one among themselves. `namings` give streams labels beside their own.
    """

    per: str | None = None
    namings: tuple[Naming, ...] = ()

    def value(self, labels: Mapping[str, str]) -> str:
        """What tells the group of a stream with these `labels`."""
        return "" if self.per is None else labelled(labels, self.namings).get(self.per, "")

    def sharers(self, streams: I64, active: Sequence[int], labels: Mapping[int, Mapping[str, str]]) -> F64:
        """With how many `active` streams, itself included, each of `streams` int64[r] shares: float64[r].

        0 for a stream that is not active: it injects nothing. Parts of streams count as streams do. `labels` are by
        stream.
        """
        if self.per is None:
            return np.where(np.isin(streams, active), float(len(active)), 0.0)
        group = {stream: self.value(labels.get(stream_of(stream), {})) for stream in active}
        size = Counter(group.values())
        known, at = np.unique(streams, return_inverse=True)
        each = [float(size[group[s]]) if s in group else 0.0 for s in known.tolist()]
        return np.array(each, np.float64)[at]


@dataclass(frozen=True, slots=True)
class Watch:
    """One rule on one signal, kept to the false-alarm budget by evidence.

    `identity` is a hash of all that its evidence rests on: where it changes, evidence restarts. `weight` is the share
    of the budget over all streams of one promise, see `sharing`; the shares of its tiers sum to 1.
    """

    key: str
    identity: str
    rule: Rule
    signal: Signal
    kind: WatchKind
    tiers: tuple[Tier, ...]
    weight: float
    sharing: Sharing = Sharing()

    @property
    def each(self) -> str | None:
        """The field whose values are judged each by itself, against the stream's reference."""
        return self.rule.each


@dataclass(frozen=True, slots=True)
class KillWatch:
    """A rule that can trip a switch, with its own evidence on 1 s slots.

    `switch` may hold `{label}`; `switches` are those that it can stand for.
    """

    key: str
    identity: str
    rule: Rule
    signal: Signal
    limit: Limit
    switch: str
    switches: Mapping[str, KillSwitch]
    namings: tuple[Naming, ...] = ()

    @property
    def min_n(self) -> int:
        """The records that any of its switches asks for at least."""
        return max(switch.guard.min_n for switch in self.switches.values())

    def pulls(self, labels: Mapping[str, str]) -> SwitchKey | None:
        """Which switch, and which of its states, a stream with these `labels` pulls; None where there is none."""
        known = labelled(labels, self.namings)
        switch = self.switches.get(filled(self.switch, known))
        value = None if switch is None else value_of(switch.per, known) if switch.per else ""
        return None if switch is None or value is None else (switch.name, value)


@dataclass(frozen=True, slots=True)
class WindowWatch:
    """A plain threshold on a sliding window: no statistics, outside the promise."""

    key: str
    identity: str
    rule: Rule
    signal: Signal
    window_ms: int
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class TotalWatch:
    """A limit on a sum over a sliding time: outside the promise."""

    key: str
    identity: str
    rule: Rule
    signal: Signal
    total_ms: int
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class TrafficWatch:
    """Requests against the same time last week: a plain comparison, outside the promise."""

    key: str
    identity: str
    rule: Rule
    signal: Signal
    bounds: tuple[Bound, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the core needs of alerts.yaml. `threshold` is A, in panes; `kill_threshold` in slots.

    `waiting` are the rules with a `for`, by watch. `paces` are by topic, `lateness_ms` is of a log without topics.
    """

    name: str
    config_hash: str
    watches: tuple[Watch, ...]
    kills: tuple[KillWatch, ...]
    windows: tuple[WindowWatch, ...]
    traffic: tuple[TrafficWatch, ...]
    totals: tuple[TotalWatch, ...]
    objectives: tuple[ObjectiveWatch, ...]
    absent: tuple[Rule, ...]
    threshold: float
    kill_threshold: float
    learn: int
    at_least_ms: int
    fresh_ms: int
    lateness_ms: int
    paces: Mapping[str, Pace]
    namings: tuple[Naming, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    waiting: Mapping[str, Rule] = field(default_factory=dict)
    by_hour: bool = False

    @property
    def rules(self) -> dict[str, Rule]:
        """The rule behind each key of a verdict's `watch`."""
        watched: list[Watch | WindowWatch | TrafficWatch | TotalWatch | ObjectiveWatch]
        watched = [*self.watches, *self.windows, *self.traffic, *self.totals, *self.objectives]
        return {key_of(r): r for r in self.absent} | {w.key: w.rule for w in watched}

    @property
    def referenced(self) -> tuple[Signal, ...]:
        """The signals that a reference is learned for."""
        found = {w.signal.code: w.signal for w in self.watches} | {
            k.signal.code: k.signal for k in self.kills
        }
        return tuple(found[code] for code in sorted(found))

    @property
    def sliced(self) -> Mapping[str, frozenset[int]]:
        """The fields whose values rules judge each by itself, with the signals of those rules."""
        found = defaultdict(set)
        for watch in self.watches:
            if watch.each is not None:
                found[watch.each].add(watch.signal.code)
        return {name: frozenset(codes) for name, codes in found.items()}


def key_of(rule: Rule, signal: Signal | None = None) -> str:
    """What the judge's state knows a rule on a signal by: a rule is its name, and its overrides in effect."""
    key = rule.name if signal is None else f"{rule.name}/{signal.name}"
    return f"{key}#{rule.variant}" if rule.variant else key


def named_by(key: str) -> tuple[str, str | None]:
    """The rule and the signal of a key, the rule's variant left out."""
    rule, _, signal = re.sub(r"#[0-9a-f]{8}$", "", key).partition("/")
    return rule, signal or None
