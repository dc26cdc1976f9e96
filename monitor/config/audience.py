"""Whom to tell: a list of receivers, or one for each severity; names may hold `{label}`."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from typing import Final

from monitor.config.model import Streams
from monitor.config.naming import RECEIVER, name_or_template
from monitor.config.problem import Report, WrongError
from monitor.config.rule import Audience, Severity
from monitor.config.section import Section, each
from monitor.config.tree import Mapping, Node

_HOW: Final = "write notify: [default], or notify: {warning: [default], critical: [default, oncall]}"


@dataclass(frozen=True, slots=True)
class Directory:
    """The receivers that there are, and the streams whose labels may stand in their names."""

    receivers: Collection[str]
    streams: Streams


def read_audience(node: Node, directory: Directory, report: Report) -> Audience:
    """The receivers to tell at each severity."""
    name = partial(name_or_template, known=directory.receivers, streams=directory.streams, sort=RECEIVER)
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
