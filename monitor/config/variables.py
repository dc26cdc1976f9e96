"""`${VAR}` and `${VAR:-default}` inside values."""

import re
from collections.abc import Mapping as Environment
from collections.abc import Set
from dataclasses import replace
from typing import Final

from monitor.config.problem import Report
from monitor.config.tree import Mapping, Node, Scalar, Sequence

_REFERENCE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^{}]*))?\}")


def expand(root: Mapping, environ: Environment[str, str], need: Set[str], report: Report) -> Mapping:
    """The tree with its variables expanded; an unset one is a problem in the sections that `need` names."""
    expander = _Expander(environ, report)
    values = {key: expander.node(node, needed=key in need) for key, node in root.values.items()}
    return replace(root, values=values)


class _Expander:
    def __init__(self, environ: Environment[str, str], report: Report) -> None:
        self.environ = environ
        self.report = report

    def node(self, node: Node, *, needed: bool) -> Node:
        if isinstance(node, Mapping):
            return replace(node, values={k: self.node(v, needed=needed) for k, v in node.values.items()})
        if isinstance(node, Sequence):
            return replace(node, items=tuple(self.node(item, needed=needed) for item in node.items))
        return self.scalar(node, needed=needed) if "${" in node.raw else node

    def scalar(self, node: Scalar, *, needed: bool) -> Scalar:
        if "${" in _REFERENCE.sub("", node.raw):
            self.report.add(
                node.place,
                node.path,
                "`${` is not the start of a variable",
                "write ${NAME} or ${NAME:-default}",
            )
            return replace(node, unset=True)
        missing = [m[1] for m in _REFERENCE.finditer(node.raw) if m[2] is None and m[1] not in self.environ]
        for name in missing if needed else ():
            self.report.add(node.place, node.path, f"the variable {name} is not set", f"export {name}=...")
        if missing:
            return replace(node, unset=True)
        return replace(node, text=_REFERENCE.sub(self._value, node.raw))

    def _value(self, match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        if default is None:
            return self.environ[name]
        return self.environ.get(name) or default
