"""Error texts without what identifies people or opens doors: addresses, secrets, long numbers.

Rules go from the surest to the widest, and rather take too much: what a text has lost can be looked up by its record's
offset, what was kept cannot be taken back. Each rule looks at a bounded stretch, so that time grows with length alone.
"""

import re
from collections.abc import Callable
from typing import Final

MOST_CHARS: Final = 2_000
"""Beyond these nothing of a text is kept."""

SECRET: Final = "[secret]"  # noqa: S105
E_MAIL: Final = "[e-mail]"
NUMBER: Final = "[number]"
QUERY: Final = "?[...]"

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_ADDRESS: Final = re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,19}://)(?:\S*@)?([^\s?#]*)([?#]\S*)?")
_HEADER: Final = re.compile(r"(?i)\b((?:proxy-)?authorization|(?:set-)?cookie)(['\"]?\s{0,3}[:=])[^\r\n]*")
_SCHEME: Final = re.compile(r"(?i)\b(bearer|basic|digest|apikey|token)\s{1,3}[\w.~+/=-]{6,}")
_NAMED: Final = re.compile(
    r"(?i)([\w-]{0,40}(?:passw(?:or)?d|passphrase|pwd|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|signature"
    r"|credential)s?)(['\"]?\s{0,3}[:=]\s{0,3}['\"]?)(?!\d{1,7}\b)[^\s\"',;&]+"
)
_ISSUED: Final = re.compile(
    r"\b(?:(?:sk|pk|rk|hf|whsec|npm|pypi)[-_][\w-]{8,}|gh[opusr]_\w{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}"
    r"|xox[a-z]-[\w-]{8,}|(?:AKIA|ASIA)[A-Z0-9]{12,}|AIza[\w-]{20,}|eyJ[\w-]{8,}(?:\.[\w-]*){0,2})"
)
_LONG: Final = re.compile(r"[A-Za-z0-9_+=-]{24,}")
_LEAST_DIGITS: Final = 3
_MAILBOX: Final = re.compile(r"[^\s@<>\"'(),;:=\[\]]{1,64}@[^\s<>\"'(),;:\[\]]{1,255}")
_DIGITS: Final = re.compile(r"\+?\d(?:[ ().-]{0,2}\d){8,}")


def _bare(found: re.Match[str]) -> str:
    return f"{found[1]}{found[2]}{QUERY if found[3] else ''}"


def _unless_a_name(found: re.Match[str]) -> str:
    """A key has digits among its letters; a UUID names a request, and a long word nothing secret."""
    word = found[0]
    digits = sum(map(str.isdigit, word))
    named = digits < _LEAST_DIGITS or digits == len(word) or _UUID.fullmatch(word)
    return word if named else SECRET


_RULES: Final[tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...]] = (
    (_ADDRESS, _bare),
    (_HEADER, rf"\1\2 {SECRET}"),
    (_SCHEME, rf"\1 {SECRET}"),
    (_NAMED, rf"\1\2{SECRET}"),
    (_ISSUED, SECRET),
    (_MAILBOX, E_MAIL),
    (_LONG, _unless_a_name),
)


def scrubbed(text: str) -> str:
    """`text` without e-mail addresses, secrets, credentials and queries of addresses, and numbers of 9 digits or more.

    UUIDs stay. At most 2,000 characters are looked at, and returned.

    >>> scrubbed("401 for https://ada:pw@api.example/v1?key=x: Bearer abc.def-123, card 4111 1111 1111 1111")
    '401 for https://api.example/v1?[...] Bearer [secret], card [number]'
    """
    text = text[:MOST_CHARS]
    for pattern, instead in _RULES:
        text = pattern.sub(instead, text)
    return _without_numbers(text)[:MOST_CHARS]


def _without_numbers(text: str) -> str:
    """Numbers of cards and telephones, but not the digits of a UUID."""
    parts, begin = [], 0
    for uuid in _UUID.finditer(text):
        parts += [_DIGITS.sub(NUMBER, text[begin : uuid.start()]), uuid[0]]
        begin = uuid.end()
    return "".join([*parts, _DIGITS.sub(NUMBER, text[begin:])])
