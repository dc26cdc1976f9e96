"""alerts.yaml as values: what the loader makes and everything else reads. Durations are ms."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from monitor.config.rule import Mute, Naming, Rule
from monitor.records.formats.language import Format
from monitor.records.names import stream_key
from monitor.records.settings import SampleSettings
from monitor.records.signals import BY_CODE, BY_NAME, Signal
from monitor.records.user_signals import UserSignal


@dataclass(frozen=True, slots=True)
class SchemaRegistry:
    """A registry that speaks Confluent's protocol; `url` has no slash at its end."""

    url: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """Topics that are read alike.

    `start` is "latest", "earliest", or ms since the epoch; a relative start is negative ms.
    `client` holds security_*, sasl_* and ssl_* as kafka-python names them, secrets read from their files.
    `format` says how the messages are read; None: they are prediction records. `type` is "label" or "feedback" where
    all messages add to predictions of other topics. With a `registry`, messages may be Avro or Protobuf.
    """

    bootstrap_servers: str
    topics: tuple[str, ...]
    group: str
    start: str | int
    lateness_ms: int
    max_record_bytes: int
    client: Mapping[str, str | bool] = field(repr=False)
    format: Format | None = None
    type: str | None = None
    registry: SchemaRegistry | None = None

    @property
    def connection(self) -> tuple[str, str, tuple[tuple[str, str | bool], ...]]:
        """What sources have in common that one consumer reads: servers, group, and settings of the client."""
        return self.bootstrap_servers, self.group, tuple(sorted(self.client.items()))


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
class Samples:
    """Which records are kept to be looked at, and for how long."""

    settings: SampleSettings = field(default_factory=SampleSettings)
    retain_ms: int = 30 * 86_400_000


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
    sources: tuple[Source, ...]
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
    store_max_bytes: int | None = None
    samples: Samples = field(default_factory=Samples)

    @property
    def source(self) -> Source:
        """The first source: receivers and switches have its connection where they name none."""
        return self.sources[0]

    @property
    def topics(self) -> dict[str, Source]:
        """The source of each topic."""
        return {topic: source for source in self.sources for topic in source.topics}

    def of_records(self) -> "Config":
        """The same for prediction records, whatever the topics' formats."""
        return replace(self, sources=(replace(self.source, format=None, type=None),))

    def signal(self, name: str) -> Signal:
        """The signal that a rule calls `name`, Tocsin's or the file's own. Raises KeyError for any other."""
        own = {s.name: s for user in self.signals for s in (user.signal, user.missing)}
        return own[name] if name in own else BY_NAME[name]

    def coded(self, code: int) -> Signal | None:
        """The signal that the ledger stores as `code`; None where the file defines it no more."""
        own = {s.code: s for user in self.signals for s in (user.signal, user.missing)}
        return own.get(code) or BY_CODE.get(code)
