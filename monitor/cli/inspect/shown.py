"""Examples of values as people may see them: short, without secrets and without users."""

import re
from typing import Any, Final

import msgspec

from monitor.cli.inspect.names import snake
from monitor.ledger.wording import clip

HIDDEN: Final = "(not shown)"
LONGEST: Final = 22

_PRIVATE: Final = re.compile(
    r"(^|_)(user|users|customer|client|account|email|mail|phone|address|ip|name_of|first_name|last_name|passw\w*|"
    r"secret|token|api_key|apikey|key|auth\w*|cookie|session|credential\w*|ssn|iban)(_|$)"
)
_NO_SECRETS: Final = re.compile(r"(^|_)(tokens|token_count|token_id|key_count)(_|$)|_tokens?$")
_SECRET_VALUE: Final = re.compile(
    r"[\w.+-]+@[\w-]+\.\w+|eyJ[\w-]{10,}|\b(sk|pk|ghp|xox[a-z]|AKIA)[-_A-Za-z0-9]{10,}|Bearer\s|[A-Fa-f0-9]{40,}"
)


def example(path: tuple[str, ...], value: Any) -> str:
    """`value` as one short line; hidden where its name or its look is that of a secret or of a person."""
    if isinstance(value, dict):
        return f"{len(value)} members"
    if isinstance(value, list):
        return f"{len(value)} items"
    if not isinstance(value, str):
        return clip(msgspec.json.encode(value).decode(), LONGEST)
    name = snake(path[-1])
    private = _PRIVATE.search(name) and not _NO_SECRETS.search(name)
    if private or _SECRET_VALUE.search(value):
        return HIDDEN
    return clip(" ".join(value.split()), LONGEST)
