"""`expect` of a test: what must fire, who must be told, and how switches must stand at a time."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, TypeVar

from monitor.cli.testing.spans import span
from monitor.cli.testing.suite import Expectation, Wanted, WantedNews
from monitor.config.model import Config
from monitor.config.problem import Report, WrongError, meant
from monitor.config.receiver_kinds import EVENTS
from monitor.config.rule import Severity
from monitor.config.section import Section
from monitor.config.tree import Mapping, Node, Scalar, Sequence
from monitor.config.values import named, one_of, plain_text, scalar, text

T = TypeVar("T")

STATES: Final = ("serving", "tripped", "would_trip", "held_by_guard")
_TOLD: Final = "write - oncall: opened, or - {receiver: oncall, event: opened, rule: errors}"


def expectation(node: Node, config: Config, report: Report) -> Expectation | None:
    """One item of `expect`; None where it is none."""
    if not isinstance(node, Mapping):
        report.add(node.place, node.path, "this must be keys with values", "such as - {at: 1h, firing: []}")
        return None
    section = Section(node, report)
    reader = _Reader(config, report)
    found = Expectation(
        at_ms=section.must("at", span("0s"), 0, "the time since the start, such as at: 3h10m"),
        line=node.place.line,
        firing=section.take("firing", partial(reader.all_of, reader.incident), None),
        not_firing=section.take("not_firing", partial(reader.all_of, reader.incident), ()),
        told=section.take("told", partial(reader.all_of, reader.news), None),
        kills=section.take("kill", reader.kills, {}),
    )
    if not section.node.values.keys() - {"at"}:
        section.wrong("nothing is expected", "add firing, not_firing, told or kill")
    section.close()
    return found


class _Reader:
    """Reads against the names that alerts.yaml has."""

    def __init__(self, config: Config, report: Report) -> None:
        self._config = config
        self._report = report
        self._rules = tuple(dict.fromkeys(rule.name for rule in config.rules))

    def all_of(self, read: Callable[[Node], T], node: Node) -> tuple[T, ...]:
        """A list, each item read by itself."""
        if not isinstance(node, Sequence):
            raise WrongError("this must be a list", "an empty one, [], means nothing at all")
        found = []
        for item in node.items:
            try:
                found.append(read(item))
            except WrongError as wrong:
                self._report.add(item.place, item.path, wrong.sentence, wrong.suggestion)
        return tuple(found)

    def incident(self, node: Node) -> Wanted:
        """A rule's name, or keys with values."""
        if isinstance(node, Scalar):
            return Wanted(self._rule(node))
        if not isinstance(node, Mapping):
            raise WrongError("this is no incident", "write - errors, or - {rule: errors, severity: critical}")
        section = Section(node, self._report)
        found = Wanted(
            rule=section.must("rule", self._rule, "", "which rule should fire"),
            stream=section.take("stream", plain_text, None),
            signal=section.take("signal", self._signal, None),
            severity=section.take("severity", one_of(*Severity), None),
            part=section.take("part", plain_text, None),
            summary=section.take("summary", text, None),
        )
        section.close()
        return found

    def news(self, node: Node) -> WantedNews:
        """`receiver: event`, or keys with values."""
        if not isinstance(node, Mapping):
            raise WrongError("this is no message", _TOLD)
        if "receiver" not in node.values and len(node.values) == 1:
            [(receiver, event)] = node.values.items()
            self._known(receiver, self._config.receivers, "receiver")
            return WantedNews(receiver, one_of(*sorted(EVENTS))(event))
        section = Section(node, self._report)
        found = WantedNews(
            receiver=section.must("receiver", self._receiver, "", _TOLD),
            event=section.must("event", one_of(*sorted(EVENTS)), "", _TOLD),
            rule=section.take("rule", self._rule, None),
            text=section.take("text", text, None),
        )
        section.close()
        return found

    def kills(self, node: Node) -> dict[tuple[str, str], str]:
        """`switch: state`, or `switch: {value: state}` of one that has `per`."""
        if not isinstance(node, Mapping):
            raise WrongError("this must be switches with their states", "such as kill: {chat: tripped}")
        found: dict[tuple[str, str], str] = {}
        for name, state in node.values.items():
            self._known(name, self._config.kill_switches, "kill switch")
            per = self._config.kill_switches[name].per
            if bool(per) is not isinstance(state, Mapping):
                how = f"{name}: {{NAME: tripped}}" if per else f"{name}: tripped"
                raise WrongError(
                    f"{name} has {'a state for each ' + '/'.join(per) if per else 'one state'}",
                    f"write {how}",
                )
            if isinstance(state, Mapping):
                found |= {(name, value): one_of(*STATES)(each) for value, each in state.values.items()}
            else:
                found[name, ""] = one_of(*STATES)(state)
        return found

    def _rule(self, node: Node) -> str:
        name = text(node)
        if not any(c in name for c in "*?["):
            self._known(name, self._rules, "rule")
        return name

    def _signal(self, node: Node) -> str:
        name = plain_text(node)
        try:
            return self._config.signal(name).name
        except KeyError:
            raise WrongError(f"{named(node)} is not a signal", "see docs/signals.md") from None

    def _receiver(self, node: Node) -> str:
        name = scalar(node).text
        self._known(name, self._config.receivers, "receiver")
        return name

    def _known(self, name: str, there_is: Iterable[str], what: str) -> None:
        words = list(there_is)
        if name not in words:
            raise WrongError(f"{name} is not a {what} of {self._config.path}", meant(name, words))
