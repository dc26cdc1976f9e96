"""Times in a test: `90s`, `3h10m`."""

import re
from collections.abc import Callable
from typing import Final

from monitor.config.problem import WrongError
from monitor.config.tree import Node
from monitor.config.values import duration_advice, milliseconds, scalar, written

LONGEST: Final = "60d"
_PARTS: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[smhdw]))+", re.ASCII)
_PART: Final = re.compile(r"\d+(?:\.\d+)?(?:ms|[smhdw])", re.ASCII)


def span(low: str) -> Callable[[Node], int]:
    """A time from `low` to `LONGEST`, in ms."""
    least, most = milliseconds(low), milliseconds(LONGEST)

    def read(node: Node) -> int:
        value = scalar(node)
        if not _PARTS.fullmatch(value.text.strip()):
            raise WrongError(f"{written(value)} is not a duration", duration_advice(value))
        found = sum(milliseconds(part) for part in _PART.findall(value.text))
        if not least <= found <= most:
            raise WrongError(f"{written(value)} is out of range", f"from {low} to {LONGEST}")
        return found

    return read
