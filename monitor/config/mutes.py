"""`mutes`: hours in which nobody is told of some incidents."""

from collections.abc import Collection
from functools import partial
from typing import Final

from monitor.config.hours import read_hours
from monitor.config.matching import read_globs
from monitor.config.problem import WrongError
from monitor.config.rule import Match, Mute
from monitor.config.section import Section, each
from monitor.config.tree import Mapping, Node, Sequence
from monitor.config.values import plain_text

OF_INCIDENT: Final = ("rule", "stream", "signal", "severity")
"""What mutes and silences may match beside labels."""

_HOW: Final = "write - {name: nights, match: {severity: info}, during: 22:00-07:00 Europe/Zurich}"


def read_mutes(root: Section, labels: Collection[str]) -> tuple[Mute, ...]:
    """All mutes, in the order of the file."""
    return root.take("mutes", partial(_mutes, root, tuple(labels)), ())


def _mutes(root: Section, labels: tuple[str, ...], node: Node) -> tuple[Mute, ...]:
    if not isinstance(node, Sequence) or not node.items:
        raise WrongError("this must be a list of mutes", _HOW)
    found = each(node, partial(_mute, root, labels), root.report)
    names = [mute.name for mute in found]
    if len(set(names)) < len(names):
        raise WrongError("two mutes have the same name", "rename one")
    return found


def _mute(root: Section, labels: tuple[str, ...], node: Node) -> Mute:
    if not isinstance(node, Mapping):
        raise WrongError("this must be keys with values", _HOW)
    section = Section(node, root.report)
    name = section.must("name", plain_text, "", _HOW)
    match = Match(read_globs(section, tuple(dict.fromkeys((*labels, *OF_INCIDENT)))))
    if "match" not in section:
        section.wrong("`match` is missing", "say what to mute, such as match: {severity: [info, warning]}")
    during = section.must("during", partial(read_hours, report=root.report), None, _HOW)
    section.close()
    if during is None:
        raise WrongError("this mute has no hours", _HOW)
    return Mute(name, match, during)
