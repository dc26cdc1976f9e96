"""Incidents as those who are told know them, and what is done about that: values, for the ledger and for rule tests."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from monitor.config.model import Config
from monitor.config.receiver_kinds import hears
from monitor.config.rule import Rule, Severity
from monitor.judge.quiet import Quiet
from monitor.ledger.facts import Facts
from monitor.ledger.outbox import Addressee
from monitor.ledger.silences import Silence


@dataclass(frozen=True, slots=True)
class Standing:
    """One incident and how far people know of it.

    `group_id` is the incident whose page it joined, `held_back` why nobody is told at the moment, `notified_ms`
    when somebody was last told, `reopened` how often it came back.
    """

    incident_id: str
    rule: str
    stream: str
    signal: str | None
    severity: Severity
    labels: Mapping[str, str]
    summary: str
    onset_ms: int
    fires: bool = True
    dry_run: bool = False
    historical: bool = False
    acknowledged: bool = False
    reopened: int = 0
    group_id: str | None = None
    held_back: str | None = None
    notified_ms: int | None = None

    @property
    def page(self) -> str:
        """The incident that its page is named by."""
        return self.group_id or self.incident_id

    @property
    def words(self) -> dict[str, str]:
        """What mutes and silences match: labels, rule, stream, signal and severity."""
        own = {"rule": self.rule, "stream": self.stream, "signal": self.signal or ""}
        return {**own, "severity": self.severity.value, **self.labels}

    def key(self, key: str = "") -> str:
        """`key` of a message, so that what is told again after a return is another message."""
        return "/".join(filter(None, (f"reopened/{self.reopened}" if self.reopened else "", key)))


@dataclass(frozen=True, slots=True)
class Mark:
    """How far people know of a firing incident: `values` of `held_back`, `group_id` and `notified_ms`."""

    incident_id: str
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Digested:
    """A historical incident was told in the digest of `group_id`, whether it still fires or not."""

    incident_id: str
    group_id: str | None
    at_ms: int


@dataclass(frozen=True, slots=True)
class Note:
    """A line of an incident's timeline."""

    incident_id: str
    what: str
    detail: str


@dataclass(frozen=True, slots=True)
class Message:
    """An event of an incident for some receivers; what is `suppressed` is kept and sent to nobody.

    An event that comes twice in one incident has a `key` of its own each time. `extra` joins the payload.
    """

    incident_id: str
    event: str
    to: tuple[Addressee, ...]
    key: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    suppressed: bool = False


Step = Mark | Digested | Note | Message


def message(
    about: Standing,
    event: str,
    to: Iterable[Addressee],
    key: str = "",
    extra: Mapping[str, Any] | None = None,
) -> list[Step]:
    """The message to those of `to` to whom `event` means something; nothing where it is nobody."""
    hearing = tuple(each for each in dict.fromkeys(to) if hears(each.kind, event))
    return [Message(about.incident_id, event, hearing, key, extra or {})] if hearing else []


@dataclass(frozen=True, slots=True)
class View:
    """What telling needs to know: `firing` are all open incidents, oldest first, `told` says who knows of a page."""

    config: Config
    rules: Mapping[str, Rule]
    quiet: Quiet
    now_ms: int
    firing: tuple[Standing, ...]
    told: Callable[[str], Sequence[Addressee]]

    def after(self, steps: Iterable[Step]) -> "View":
        """With the incidents as `steps` have marked them."""
        found = {one.incident_id: one for one in self.firing}
        for step in steps:
            if isinstance(step, Mark) and step.incident_id in found:
                found[step.incident_id] = replace(found[step.incident_id], **step.values)
        return replace(self, firing=tuple(found.values()))


class Incidents(Protocol):
    """What is kept of incidents: the rows of a ledger, or what a rule test has played so far."""

    def find(self, rule: str, stream: str, signal: str | None, slice_id: int) -> str | None:
        """The id of the one that fires, if any."""
        ...

    def open(self, row: Mapping[str, Any]) -> bool:
        """Open one; False, and nothing is changed, where its id is there already."""
        ...

    def reopen(self, row: Mapping[str, Any], ended_after_ms: int) -> str | None:
        """Let the newest that `row` would be another of fire on, if it resolved later than that; returns its id."""
        ...

    def escalate(self, incident_id: str, facts: Facts) -> bool:
        """Raise its severity to that of `facts`; False unless that is higher."""
        ...

    def refresh(self, incident_id: str, facts: Facts) -> bool:
        """Store newer figures at the same severity."""
        ...

    def resolve(self, incident_id: str, detail: str, *, ended_ms: int) -> bool:
        """End it because its evidence says so."""
        ...

    def expire(self, incident_id: str, detail: str) -> bool:
        """End it because its rule is gone."""
        ...

    def standing(self, ids: Iterable[str]) -> list[Standing]:
        """Some of them, the severest first."""
        ...

    def firing(self) -> tuple[Standing, ...]:
        """All that fire, oldest first; not Tocsin's own."""
        ...

    def late(self) -> list[Standing]:
        """The historical ones that nobody was told of, by onset."""
        ...

    def told(self, page: str) -> Sequence[Addressee]:
        """Who has been sent anything about the incidents of a page, or is about to be."""
        ...

    def silences(self, now_ms: int) -> tuple[Silence, ...]:
        """What people asked not to be told of."""
        ...

    def write(self, steps: Iterable[Step]) -> None:
        """Carry out what telling has decided."""
        ...


def severest_first(found: Iterable[Standing]) -> list[Standing]:
    """The order in which a page names its incidents."""
    return sorted(found, key=lambda one: (-one.severity.rank, one.onset_ms, one.incident_id))
