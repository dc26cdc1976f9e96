"""The text of alerts.yaml without its secrets, to be stored and shown."""

import re
from collections.abc import Iterator
from typing import Final

from monitor.config.tree import Mapping, Node, Scalar, Sequence

HIDDEN: Final = '"***"'
SHORTEST: Final = 4
_SECRET: Final = re.compile(
    r"secret|password|passwd|token|routing_key|api_?key|credential|private", re.IGNORECASE
)
_ADDRESSES: Final = frozenset({"receivers", "kill_switches", "store", "heartbeat"})
_REFERENCE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_CREDENTIALS: Final = re.compile(r"://[^/\s]*@|hooks\.slack\.com", re.IGNORECASE)
_NAMES: Final = "secret|password|passwd|token|routing_key|api_?key|url"
_IN_COMMENT: Final = re.compile(
    rf"((?:{_NAMES})\w*(?<!_file)[\"']?\s*[:=]\s*)(?!\"?\$\{{\w+\}})([^\s,}}#]+)", re.IGNORECASE
)
_COMMENT: Final = re.compile(r"(?:^|(?<=\s))#[^\n]*")


def redacted(text: str, root: Mapping) -> str:
    """`text` with every secret as `***`, comments included; references to variables stay as they are."""
    hidden = sorted({(s.place.start, s.place.end) for s in _secrets(root, "", "")}, reverse=True)
    values = {s.raw.strip() for s in _secrets(root, "", "")}
    literal = sorted((value for value in values if len(value) >= SHORTEST), key=len, reverse=True)
    for start, end in hidden:
        kept = text[start:end]
        tail = kept[len(kept.rstrip()) :]
        text = text[:start] + HIDDEN + tail + text[end:]
    for value in literal:
        text = text.replace(value, "***")
    return _COMMENT.sub(lambda m: _comment(m[0]), text)


def _comment(comment: str) -> str:
    comment = _IN_COMMENT.sub(r"\1***", comment)
    return re.sub(r"\S*(?:://[^/\s]*@|hooks\.slack\.com)\S*", "***", comment, flags=re.IGNORECASE)


def _secrets(node: Node, top: str, key: str) -> Iterator[Scalar]:
    if isinstance(node, Mapping):
        for inner, value in node.values.items():
            yield from _secrets(value, top or inner, inner)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _secrets(item, top, key)
    elif _is_secret(node, top, key):
        yield node


def _is_secret(node: Scalar, top: str, key: str) -> bool:
    if node.empty or _REFERENCE.fullmatch(node.raw.strip()):
        return False
    if key.endswith("_file"):
        return False
    if _SECRET.search(key) or _CREDENTIALS.search(node.raw):
        return True
    return key == "url" and top in _ADDRESSES
