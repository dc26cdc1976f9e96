"""Names of receivers and switches that rules give, as they stand or with a `{label}` of the stream in them."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from monitor.config.model import Streams
from monitor.config.problem import WrongError, meant
from monitor.config.templates import fields, filled, templated
from monitor.config.tree import Node
from monitor.config.values import named, plain_text, text


@dataclass(frozen=True, slots=True)
class Sort:
    """What is named, and the section that it stands in."""

    name: str
    section: str


RECEIVER: Final = Sort("receiver", "receivers")
SWITCH: Final = Sort("kill switch", "kill_switches")


def known_name(node: Node, known: Collection[str], sort: Sort) -> str:
    """The name of one that there is."""
    name = plain_text(node)
    if name not in known:
        advice = meant(name, known) or f"add it to {sort.section}"
        raise WrongError(f"{named(node)} is not a {sort.name}", advice)
    return name


def name_or_template(node: Node, known: Collection[str], streams: Streams, sort: Sort) -> str:
    """A name that there is, or one with labels that stands for one whatever they are known to hold."""
    if not fields(text(node)):
        return known_name(node, known, sort)
    name = templated(node, streams.labels)
    for wanted in _expansions(name, streams):
        if not any(fnmatchcase(one, wanted) for one in known):
            shown = wanted.replace("*", "...")
            advice = meant(wanted, known) or f"add it to {sort.section}"
            raise WrongError(f"{named(node)} stands for {shown}, which is not a {sort.name}", advice)
    return name


def _expansions(name: str, streams: Streams) -> list[str]:
    """What a name stands for: each value of its one label that `streams.labels` gives, else a glob."""
    labels = fields(name)
    if len(labels) > 1 or labels[0] in streams.by:
        return [filled(name, dict.fromkeys(labels, "*"))]
    values = dict.fromkeys(n.given[labels[0]] for n in streams.namings if labels[0] in n.given)
    return [filled(name, {labels[0]: value}) for value in values]


def stands_for(name: str, known: Collection[str]) -> tuple[str, ...]:
    """Those of `known` that a name or template can mean, in their order.

    >>> stands_for("{team}-chat", ["search-chat", "search", "chat"])
    ('search-chat',)
    """
    pattern = ".*".join(re.escape(part) for part in re.split(r"\{[^{}]*\}", name))
    return tuple(one for one in known if re.fullmatch(pattern, one, re.DOTALL))
