"""Label globs: the `match` of a rule and of `streams.labels`, and the labels that streams are given."""

import re
from collections.abc import Collection
from fnmatch import fnmatchcase
from typing import Final

from monitor.config.problem import Report, WrongError, listed
from monitor.config.rule import Match, Naming
from monitor.config.section import Section, each
from monitor.config.tree import Mapping, Node, Scalar, Sequence, shown
from monitor.config.values import plain_text

_HOW: Final = "write - {match: {model: chat-*}, set: {team: support}}"
_MOST: Final = 1_000
_NAME: Final = re.compile(r"[A-Za-z_][\w.-]{0,99}", re.ASCII)


def read_globs(outer: Section, labels: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The globs of `match` in `outer` by label; empty where it is left out."""
    section = outer.inner("match")
    if section is None:
        _refuse_blank(outer)
        return {}
    for label in section.node.values.keys() - set(labels):
        advice = f"a stream is told by {listed(labels)}, see streams.by"
        section.wrong(f"{shown(label)} is not a label", advice, at=label)
    given = [label for label in labels if label in section]
    if not section.node.values:
        outer.wrong("there is nothing to match", "write {model: chat-eu}", at="match")
    found = {label: section.take(label, lambda node: _globs(node, section.report), ()) for label in given}
    for label in (label for label, globs in found.items() if _contradict(globs)):
        section.unwise("these globs leave nothing", "remove the one or the other", at=label)
    return found


def _contradict(globs: tuple[str, ...]) -> bool:
    """Whether what each glob wants is denied by another one, as far as that is certain."""
    wanted = [glob for glob in globs if not glob.startswith("!")]
    denied = [glob[1:] for glob in globs if glob.startswith("!") and not set("?[") & set(glob)]
    return bool(globs) and all(any(_within(glob, d) for d in denied) for glob in wanted or ["*"])


def _within(glob: str, denied: str) -> bool:
    """Whether all that `glob` stands for is `denied`, whose only wildcard is `*`."""
    return "[" not in glob and fnmatchcase(glob, denied)


def _refuse_blank(outer: Section) -> None:
    """A match that was left empty would be of all streams, and a kill's too."""
    node = outer.node.values.get("match")
    if isinstance(node, Scalar) and node.empty:
        outer.wrong("there is nothing to match", "write {model: chat-eu}, or remove the key", at="match")


def _globs(node: Node, report: Report) -> tuple[str, ...]:
    if isinstance(node, Sequence) and not node.items:
        raise WrongError("there is nothing to match", "remove it, or name a glob such as chat-*")
    return each(node, _glob, report)


def _glob(node: Node) -> str:
    value = plain_text(node)
    if not value.removeprefix("!"):
        raise WrongError("there is nothing after `!`", 'write "!chat-*" for all but those')
    return value


def read_namings(section: Section, by: Collection[str]) -> tuple[Naming, ...]:
    """`streams.labels`: which streams, told by `by`, get which further labels; later lines win."""
    return section.take("labels", lambda node: _namings(node, by, section.report), ())


def _namings(node: Node, by: Collection[str], report: Report) -> tuple[Naming, ...]:
    if not isinstance(node, Sequence) or not 0 < len(node.items) <= _MOST:
        raise WrongError(f"this must be a list of 1 to {_MOST:,} lines", _HOW)
    return each(node, lambda item: _naming(item, by, report), report)


def _naming(node: Node, by: Collection[str], report: Report) -> Naming:
    if not isinstance(node, Mapping):
        raise WrongError("this must be keys with values", _HOW)
    section = Section(node, report)
    globs = read_globs(section, by)
    given = section.inner("set")
    if given is None or not given.node.values:
        section.wrong("there is no label to set", _HOW)
    found = _given(given, by) if given is not None else {}
    section.close()
    return Naming(Match(globs), found)


def _given(section: Section, by: Collection[str]) -> dict[str, str]:
    for label in section.node.values:
        if label in by:
            section.wrong(f"{shown(label)} is in streams.by already", "choose another name", at=label)
        elif not _NAME.fullmatch(label):
            section.wrong(f"{shown(label)} cannot be a label's name", "letters, digits, _, - and .", at=label)
    return {label: section.take(label, plain_text, "") for label in section.node.values}
