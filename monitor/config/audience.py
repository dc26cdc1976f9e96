"""Whom to tell: a list of receivers, or one for each severity; names may hold `{label}`."""

from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from typing import Final

from monitor.config.model import Streams
from monitor.config.problem import Report, WrongError, meant
from monitor.config.rule import Audience, Severity
from monitor.config.section import Section, each
from monitor.config.templates import fields, filled, templated
from monitor.config.tree import Mapping, Node
from monitor.config.values import named, plain_text, text

_HOW: Final = "write notify: [default], or notify: {warning: [default], critical: [default, oncall]}"


@dataclass(frozen=True, slots=True)
class Directory:
    """The receivers that there are, and the streams whose labels may stand in their names."""

    receivers: Collection[str]
    streams: Streams


def read_audience(node: Node, directory: Directory, report: Report) -> Audience:
    """The receivers to tell at each severity."""
    name = partial(_name, directory=directory)
    if not isinstance(node, Mapping):
        return Audience(((Severity.INFO, each(node, name, report)),))
    if not node.values:
        raise WrongError("there is no severity", _HOW)
    section = Section(node, report)
    for key, value in node.values.items():
        if key not in tuple(Severity):
            report.add(value.place, value.path, "this is not a severity", _HOW)
    given = {
        s: section.take(s, lambda value: each(value, name, report), ()) for s in Severity if s in section
    }
    return Audience(tuple(given.items()))


def receiver_name(node: Node, known: Collection[str]) -> str:
    """The name of a receiver that there is."""
    name = plain_text(node)
    if name not in known:
        raise WrongError(f"{named(node)} is not a receiver", meant(name, known) or "add it to receivers")
    return name


def _name(node: Node, directory: Directory) -> str:
    if not fields(text(node)):
        return receiver_name(node, directory.receivers)
    name = templated(node, directory.streams.labels)
    for wanted in _expansions(name, directory.streams):
        if not any(fnmatchcase(receiver, wanted) for receiver in directory.receivers):
            shown = wanted.replace("*", "...")
            advice = meant(wanted, directory.receivers) or "add it to receivers"
            raise WrongError(f"{named(node)} stands for {shown}, which is not a receiver", advice)
    return name


def _expansions(name: str, streams: Streams) -> list[str]:
    """What a name stands for: each value of its one label that `streams.labels` gives, else a glob."""
    labels = fields(name)
    if len(labels) > 1 or labels[0] in streams.by:
        return [filled(name, dict.fromkeys(labels, "*"))]
    values = dict.fromkeys(n.given[labels[0]] for n in streams.namings if labels[0] in n.given)
    return [filled(name, {labels[0]: value}) for value in values]
