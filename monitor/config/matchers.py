"""Matchers as people type them, `model=a,b 'stream=my model'`: words as a shell reads them, globs apart by commas."""

import glob
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Final

from monitor.errors import UsageError

_COMMA: Final = re.compile(r"(?<!\[),|,(?!\])")


def read_words(text: str) -> list[str]:
    """A line as the arguments that a shell would make of it; raises UsageError."""
    try:
        return shlex.split(text)
    except ValueError:
        raise UsageError("a quote or a backslash stands alone: write 'stream=my model'") from None


def read_globs(text: str) -> tuple[str, ...]:
    """The globs between commas; `[,]` is a comma within one."""
    return tuple(_COMMA.split(text))


def written(match: Mapping[str, Sequence[str]]) -> str:
    """Globs by label as a line that `read_words` and `read_globs` take."""
    return shlex.join(f"{label}={','.join(globs)}" for label, globs in match.items())


def exact(value: str) -> tuple[str, ...]:
    """Globs that match `value` and nothing else, whatever it holds."""
    literal = glob.escape(value).replace(",", "[,]")
    if not value.startswith("!"):
        return (literal,)
    # No glob may begin with what it wants to be a `!`, so any character goes, less all that are none.
    return f"?{literal[1:]}", f"![!!]{literal[1:]}"
