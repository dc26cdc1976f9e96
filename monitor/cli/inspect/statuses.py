"""A status out of other people's words: HTTP codes, booleans, and texts such as FAILED."""

import re
from typing import Any, Final

from monitor.cli.inspect.names import snake
from monitor.cli.inspect.places import Found
from monitor.records.formats.language import STATUSES

_HTTP: Final = {"ok": ["2xx", "3xx"], "timeout": [408, 504], "rejected": ["4xx"], "error": ["5xx"]}
_WORDS: Final = (
    ("timeout", re.compile(r"time_?d?_?out|timed_out|deadline|expired", re.I)),
    (
        "rejected",
        re.compile(
            r"reject|invalid|bad_?request|forbidden|unauthori[sz]ed|throttl|rate_?limit|blocked|cancel", re.I
        ),
    ),
    ("error", re.compile(r"err|fail|exception|crash|abort|unavailable|broken|panic", re.I)),
    (
        "ok",
        re.compile(r"ok|succe|complet|done|finish|good|pass|stop|true|approve|accept|served|success", re.I),
    ),
)
_BAD: Final = frozenset({"is_error", "failed", "error"})
_MOST_WORDS: Final = 40


def status_of(found: Found) -> dict[str, Any] | None:
    """The form of `source.map` that makes a status of a place's values; None where they are none."""
    if found.kind == "boolean":
        good, bad = ("false", "true") if snake(found.path[-1]) in _BAD else ("true", "false")
        return {"field": found.pointer, "ok": [good], "error": [bad]}
    if found.numeric:
        return {"field": found.pointer} | _HTTP if all(100 <= x < 600 for x in found.numbers) else None
    if found.kind != "text" or found.many or len(found.texts) > _MOST_WORDS:
        return None
    return _of_words(found)


def _of_words(found: Found) -> dict[str, Any] | None:
    words: dict[str, list[str]] = {}
    unknown = False
    for text in found.texts:
        status = next((status for status, pattern in _WORDS if pattern.search(text)), None)
        if status is None or not text.isprintable():
            unknown = True
        else:
            words.setdefault(status, []).append(text)
    if not words or (unknown and words.keys() == {"ok"}):
        return None
    in_order = {status: words[status] for status in STATUSES if status in words}
    return {"field": found.pointer} | in_order | ({"else": "ok"} if unknown else {})


def are_ours(found: Found) -> bool:
    """Whether a place's values are the words of a record's own status."""
    return found.kind == "text" and set(found.texts) <= set(STATUSES)
