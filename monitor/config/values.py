"""Single values: text, numbers, durations, times, names."""

import ipaddress
import math
import os
import re
from collections.abc import Callable, Collection
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

from monitor.config.problem import UnsetError, WrongError, listed, meant
from monitor.config.tree import Node, Scalar

MS: Final = {
    "ms": 1,
    "s": 1_000,
    "m": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
    "w": 7 * 86_400_000,
    "y": 365 * 86_400_000,
}
_SPELT: Final = {
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("week", "weeks"), "w"),
    **dict.fromkeys(("year", "years"), "y"),
}
NUMBER: Final = r"(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?"
_WITH_UNIT: Final = re.compile(rf"({NUMBER})\s*([a-zA-Z]*)")
_MAX_MS: Final = 100 * MS["y"]
_MAX_TEXT: Final = 2_000


def scalar(node: Node) -> Scalar:
    """The node as one value; never empty, never with an unset variable."""
    if not isinstance(node, Scalar):
        raise WrongError("this must be one value, not a list or keys with values")
    if node.unset:
        raise UnsetError
    return node


def written(node: Scalar) -> str:
    """The value for a message: as it stands in the file, so that no variable's content shows."""
    raw = " ".join(node.raw.split())
    if "://" in raw and "@" in raw:
        return "this"
    return f"`{raw[:60]}...`" if len(raw) > 60 else f"`{raw}`"


def named(node: Node) -> str:
    """A name for a message; what looks like anything else may be a secret in the wrong place."""
    value = scalar(node)
    return written(value) if re.fullmatch(r"[\w.*?$:{}-]{1,40}", value.raw) else "this"


def is_file(path: str) -> bool:
    """Whether a file is there, also of a name that no file can have; `~` is a home."""
    return os.path.isfile(os.path.expanduser(path))  # noqa: PTH111, PTH113


def file_path(node: Node, *, needed: bool) -> str:
    """The path of a file, `~` as the home that it stands for; the file must be there where it is needed."""
    path = text(node)
    if needed and not is_file(path):
        raise WrongError(f"there is no file {written(scalar(node))}")
    return os.path.expanduser(path)  # noqa: PTH111


def text(node: Node) -> str:
    """Any text that can be stored and sent: not empty, no control characters."""
    value = scalar(node).text.strip()
    if not value:
        raise WrongError("this is empty")
    if len(value) > _MAX_TEXT:
        raise WrongError(f"this is longer than {_MAX_TEXT:,} characters")
    if any(not c.isprintable() for c in value):
        raise WrongError("there is a line break or another character here that cannot be printed")
    return value


def flag(node: Node) -> bool:
    """true or false, as YAML 1.2 has them."""
    value = scalar(node)
    if value.text in ("true", "True", "TRUE"):
        return True
    if value.text in ("false", "False", "FALSE"):
        return False
    raise WrongError(f"{written(value)} is neither true nor false", _meant_flag(value.text))


def _meant_flag(value: str) -> str:
    return {"yes": "write true", "on": "write true", "no": "write false", "off": "write false"}.get(
        value.lower(), ""
    )


def whole(low: int, high: int) -> Callable[[Node], int]:
    """A whole number from `low` to `high`."""

    def read(node: Node) -> int:
        value = scalar(node)
        if not re.fullmatch(r"[+-]?\d{1,18}", value.text, re.ASCII):
            digits = re.sub(r"[_, ]", "", value.text)
            advice = (
                f"write {digits}"
                if value.raw == value.text and re.fullmatch(r"\d{1,18}", digits, re.ASCII)
                else ""
            )
            raise WrongError(f"{written(value)} is not a whole number", advice)
        return _within(int(value.text), value, low, high)

    return read


def number(node: Node) -> float:
    """A finite number."""
    value = scalar(node)
    if not re.fullmatch(rf"[+-]?{NUMBER}", value.text, re.ASCII) or not math.isfinite(float(value.text)):
        raise WrongError(f"{written(value)} is not a number")
    return float(value.text)


def _within(found: int, value: Scalar, low: int, high: int) -> int:
    if not low <= found <= high:
        raise WrongError(f"{written(value)} is out of range", f"from {low:,} to {high:,}")
    return found


def duration(low: str, high: str = "100y") -> Callable[[Node], int]:
    """A duration from `low` to `high`, in ms."""
    least, most = milliseconds(low), milliseconds(high)

    def read(node: Node) -> int:
        value = scalar(node)
        found = _milliseconds(value)
        if not least <= found <= most:
            raise WrongError(f"{written(value)} is out of range", f"from {low} to {high}")
        return found

    return read


def milliseconds(value: str) -> int:
    """`90s` as 90000; raises ValueError."""
    match = _WITH_UNIT.fullmatch(value.strip())
    if match is None or match[2] not in MS:
        raise ValueError(value)
    found = float(match[1]) * MS[match[2]]
    return round(min(found, 2.0 * _MAX_MS))


def _milliseconds(value: Scalar) -> int:
    try:
        return milliseconds(value.text)
    except ValueError:
        raise WrongError(f"{written(value)} is not a duration", duration_advice(value)) from None


def duration_advice(value: Scalar) -> str:
    """What a wrong duration may have meant."""
    match = _WITH_UNIT.fullmatch(value.text.strip())
    units = "a number with ms, s, m, h, d, w or y, such as 10m"
    if match is None or value.raw != value.text:
        return units
    if match[2] == "":
        return f"it needs a unit: {match[1]}s, {match[1]}m, {match[1]}h or {match[1]}d"
    unit = _SPELT.get(match[2].lower()) or (match[2].lower() if match[2].lower() in MS else "")
    return f"write {match[1]}{unit}" if unit else units


def size(low: str) -> Callable[[Node], int]:
    """A size from `low` up, in bytes: powers of 1000 (MB) or of 1024 (MiB)."""
    least = _bytes(low)

    def read(node: Node) -> int:
        value = scalar(node)
        found = _bytes(value.text)
        if found is None:
            raise WrongError(f"{written(value)} is not a size", "such as 500MB, 50GB or 50GiB")
        if least is not None and found < least:
            raise WrongError(f"{written(value)} is out of range", f"{low} or more")
        return found

    return read


def _bytes(value: str) -> int | None:
    match = re.fullmatch(rf"({NUMBER}) *([KMGT])(i?)B", value.strip())
    if match is None:
        return None
    unit = (1024 if match[3] else 1000) ** ("KMGT".index(match[2]) + 1)
    return round(float(match[1]) * float(unit))


def one_of(*words: str) -> Callable[[Node], str]:
    """One of some words; those near to one are named."""

    def read(node: Node) -> str:
        value = scalar(node)
        if value.text not in words:
            raise WrongError(f"{written(value)} is not {listed(words, 'or')}", _nearest(value.text, words))
        return value.text

    return read


def _nearest(word: str, words: Collection[str]) -> str:
    same = [w for w in words if w.lower() == word.lower()]
    advice = f"write {same[0]}" if same else meant(word, words)
    return "" if advice.startswith("there is") else advice


def plain_text(node: Node) -> str:
    """Text without `{label}`."""
    value = text(node)
    if re.search(r"\{[^{}]*\}", scalar(node).raw.replace("${", "$(")):
        raise WrongError("a `{label}` cannot stand here", "write the text out")
    return value


def link(node: Node) -> str:
    """A web address to show in a message."""
    value = plain_text(node)
    if not is_web(value):
        raise WrongError(f"{written(scalar(node))} is not a web address", "it begins with https://")
    return value


def is_web(value: str) -> bool:
    """Whether an HTTP client can be sent there."""
    try:
        parts = urlsplit(value)
        return (
            parts.scheme in ("http", "https")
            and bool(parts.hostname)
            and (parts.port or 1) > 0
            and " " not in value
        )
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def moment(value: str) -> int | None:
    """RFC 3339 as ms since the epoch; None if it is none or has no time zone."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return None if found.tzinfo is None else round(found.timestamp() * 1000)
