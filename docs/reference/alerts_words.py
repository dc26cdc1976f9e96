"""What the values of alerts.yaml are, in words of people, from their JSON Schema."""

from collections.abc import Mapping
from typing import Any, Final

from monitor.config.forms import (
    DURATION,
    FLAG,
    LIMIT,
    NULL,
    NUMERIC,
    PERCENTILE,
    POINTER,
    PROMISE,
    TEXT,
    WHOLE,
    Form,
)
from monitor.config.rule import Severity
from monitor.config.schema_rules import rule

_SEVERITIES: Final = {severity.value for severity in Severity}
_SIGNAL: Final = rule()["properties"]["signal"]["anyOf"][0]
_WORDS: Final = (
    (TEXT, "text"),
    (FLAG, "true or false"),
    (WHOLE, "whole number"),
    (NUMERIC, "number"),
    (DURATION, "duration"),
    (PROMISE, "such as `1 per 30d`"),
    (PERCENTILE, "percentile"),
    (POINTER, "key or pointer"),
    (LIMIT, "[limit](#limits)"),
    (_SIGNAL, "[signal](../signals.md)"),
    (NULL, "nothing"),
)
_ABOUT: Final = ("description", "default")


def kind_of(form: Form) -> str:
    """What stands behind a key."""
    plain = {key: value for key, value in form.items() if key not in _ABOUT}
    known = [words for each, words in _WORDS if plain == each]
    if known:
        return known[0]
    if "anyOf" in plain and "properties" not in plain:
        return _one_of(plain["anyOf"])
    if "enum" in plain:
        return ", ".join(f"`{word}`" for word in plain["enum"])
    return _of_type(plain)


def _one_of(branches: list[Form]) -> str:
    """Further branches say only what they add to the first."""
    first = kind_of(branches[0])
    others = [_also(branch, first) for branch in branches[1:] if not _is_variable(branch)]
    return ", ".join(dict.fromkeys([first, *others]))


def _also(branch: Form, first: str) -> str:
    if branch.get("properties", {}).keys() == _SEVERITIES:
        return "or one a severity"
    if branch.get("type") == "array" and kind_of(branch["items"]) == first:
        return "or a list"
    if str(branch.get("pattern", "")).endswith(r"segment\."):
        return "`segment.NAME`"
    return f"or {kind_of(branch)}"


def _is_variable(branch: Form) -> bool:
    return branch.get("pattern") == r"\$\{"


def _of_type(form: Form) -> str:
    types = [form["type"]] if isinstance(form.get("type"), str) else form.get("type", [])
    if "array" in types and "object" not in types:
        inner = kind_of(form["items"])
        return f"list of {f'{inner}s' if inner in ('text', 'number') else inner}"
    if "object" in types:
        return _of_object(form, types)
    return "text or number" if "number" in types else "text"


def _of_object(form: Form, types: list[str]) -> str:
    if form.get("properties"):
        return "keys, or a list of such" if "array" in types else "keys"
    others = form.get("additionalProperties")
    return "names with keys" if isinstance(others, Mapping) and members(others) else "names with values"


def members(form: Form) -> Mapping[str, Form]:
    """The keys that stand within a value, of a list or of names those of each."""
    branches = [form, *form.get("anyOf", ())]
    found = next((branch["properties"] for branch in branches if branch.get("properties")), None)
    if found is not None:
        return found
    inner = [form.get("items"), form.get("additionalProperties")]
    return next((members(each) for each in inner if isinstance(each, Mapping)), {})


def is_by_severity(form: Form) -> bool:
    """Whether the keys within are severities."""
    return members(form).keys() == _SEVERITIES


def written(value: Any) -> str:
    """A value as YAML has it on one line."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(written, value))}]" if isinstance(value, list) else str(value)
