"""`{label}` in names, titles and addresses: filled in for each stream."""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Final
from urllib.parse import quote

from monitor.config.problem import WrongError, meant
from monitor.config.tree import Node
from monitor.config.values import is_web, scalar, text, written

OF_RULE: Final = ("name", "rule", "signal", "stream", "severity")
"""What a runbook or title may name beside the labels of its stream."""
OF_INCIDENT: Final = (*OF_RULE, "onset_ms", "detected_ms")
"""What a link may name beside the labels of its stream."""
TRACE: Final = "trace_id"
INCIDENT: Final = "incident_id"
"""What a link may name too, and is known only once the incident has opened."""

_FIELD: Final = re.compile(r"\{([^{}]*)\}")


def fields(template: str) -> tuple[str, ...]:
    """The names in braces, each once, in order."""
    return tuple(dict.fromkeys(_FIELD.findall(template)))


def filled(template: str, values: Mapping[str, str]) -> str:
    """`template` with its fields as plain text; one without a value becomes nothing."""
    return _FIELD.sub(lambda field: values.get(field[1], ""), template)


def filled_address(template: str, values: Mapping[str, str], later: str | None = None) -> str:
    """`template` with its fields as parts of an address: whatever a label holds, it stays that address.

    The field `later` stays as it is.
    """
    return _FIELD.sub(
        lambda field: field[0] if field[1] == later else quote(values.get(field[1], ""), safe=""), template
    )


def templated(node: Node, known: Collection[str]) -> str:
    """Text whose fields in braces are among `known`."""
    value = text(node)
    for field in fields(value):
        if field not in known:
            near = meant(field, known)
            advice = near or "write a label of the stream, see streams.by and streams.labels"
            raise WrongError(f"{{{field}}} in {written(scalar(node))} is not a label", advice)
    return value


def address(node: Node, known: Collection[str]) -> str:
    """A web address whose fields in braces are among `known`, none of them in its host."""
    value = templated(node, known)
    if not is_web(value) or _FIELD.search(value.partition("://")[2].partition("/")[0]):
        raise WrongError(
            f"{written(scalar(node))} is not a web address", "it begins with https:// and a host of its own"
        )
    return value


def receivers(
    names: Iterable[str], labels: Mapping[str, str], known: Collection[str], otherwise: tuple[str, ...]
) -> tuple[str, ...]:
    """The receivers that `names` stand for on a stream with these `labels`; `otherwise` where none is `known`."""
    found = dict.fromkeys(filled(name, labels) for name in names)
    return tuple(name for name in found if name in known) or otherwise
