"""Text that any database takes: names and samples without what would wedge a transaction (rule 8)."""

import re
import unicodedata
from functools import lru_cache
from hashlib import blake2b
from typing import Final

NAME_BYTES: Final = 200
KEY_BYTES: Final = 800

_SURROGATES: Final = re.compile("[\ud800-\udfff]")
_CONTROLS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
_TURNING: Final = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_MARK: Final = "~"
_HASH_CHARS: Final = 8


@lru_cache(maxsize=16_384)
def clean_name(raw: str) -> str:
    """`raw` as NFC without control characters and lone surrogates, at most 200 bytes of UTF-8.

    Line separators and what turns the direction of a line count as control characters.

    What is longer becomes its beginning, `~` and a short hash. Empty if nothing visible is left.

    >>> clean_name("chat\\x00-eu")
    'chat-eu'
    """
    name = raw if raw.isascii() and raw.isprintable() else _normal(raw)
    return bounded(name, NAME_BYTES) if name.strip() else ""


def _normal(raw: str) -> str:
    kept = "".join(c for c in raw if unicodedata.category(c) not in _CONTROLS and c not in _TURNING)
    return unicodedata.normalize("NFC", kept)


def bounded(text: str, size: int) -> str:
    """`text` in at most `size` bytes of UTF-8: longer becomes its beginning, `~` and a hash of the whole."""
    data = text.encode()
    if len(data) <= size:
        return text
    digest = blake2b(data, digest_size=_HASH_CHARS // 2).hexdigest()
    prefix = data[: size - len(_MARK) - _HASH_CHARS].decode(errors="ignore")
    return f"{prefix}{_MARK}{digest}"


def without_surrogates(text: str) -> str:
    """`text` with each lone surrogate replaced by U+FFFD, one for one."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)
