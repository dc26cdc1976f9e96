"""The forms of single values of alerts.yaml as JSON Schema; any of them may hold a `${VARIABLE}`."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from monitor.config.rule import Severity
from monitor.config.values import MS, NUMBER

Form = Mapping[str, Any]

VARIABLE: Final = r"\$\{"
_UNIT: Final = "|".join(MS)


def matching(pattern: str, *further: str) -> Form:
    """A text of this pattern or with a variable, or a value of the `further` types as it stands."""
    types: Any = ["string", *further] if further else "string"
    return {"type": types, "pattern": rf"^\s*(?:{pattern})\s*$|{VARIABLE}"}


TEXT: Final[Form] = {"type": ["string", "number", "boolean"], "minLength": 1}
FLAG: Final[Form] = matching("true|True|TRUE|false|False|FALSE", "boolean")
WHOLE: Final[Form] = matching(r"[+-]?\d{1,18}", "integer")
NUMERIC: Final[Form] = matching(rf"[+-]?{NUMBER}", "number")
DURATION: Final[Form] = matching(rf"{NUMBER}\s*(?:{_UNIT})")
PROMISE: Final[Form] = matching(rf"{NUMBER}\s+per\s+{NUMBER}\s*(?:{_UNIT})")
PERCENTILE: Final[Form] = matching(r"p\d{1,2}(?:\.\d+)?")
ADDRESS: Final[Form] = matching(r"https?://\S+")
POINTER: Final[Form] = matching(r"/\S(?:.*\S)?|[^./\s](?:[^./]*[^./\s])?")
LIMIT: Final[Form] = {
    "anyOf": [
        {"const": "reference", "description": "as far from the reference as `tolerance` says"},
        matching(rf"[+-]?{NUMBER}\s*(?:%|pp|x|ms|s)?", "number", "null"),
    ]
}
NULL: Final[Form] = {"type": "null"}


def one_of_words(words: Iterable[str], *further: Form) -> Form:
    """One of the words, or a value of the `further` forms."""
    return {"anyOf": [{"enum": list(words)}, {"type": "string", "pattern": VARIABLE}, *further]}


def told(form: Form, description: str, default: Any = None) -> Form:
    """The form with what it is for, and the `default` of a key that is left out."""
    shown = {"description": description} | ({} if default is None else {"default": default})
    return {**shown, **{key: value for key, value in form.items() if key not in ("description", "default")}}


def several(form: Form, least: int = 0) -> Form:
    """A list."""
    return {"type": "array", "items": form, **({"minItems": least} if least else {})}


def one_or_several(form: Form, least: int = 0) -> Form:
    """One value, or a list of them."""
    return {"anyOf": [form, several(form, least)]}


def keys(
    properties: Mapping[str, Form], *, required: Iterable[str] = (), blank: bool = False, **more: Any
) -> Form:
    """A mapping with just these keys; `blank` where it may also be left empty."""
    must = sorted(required)
    return {
        "type": ["object", "null"] if blank else "object",
        "properties": dict(properties),
        "additionalProperties": False,
        **({"required": must} if must else {}),
        **more,
    }


def named(form: Form, *, blank: bool = True) -> Form:
    """A mapping from names of the user's own."""
    return {"type": ["object", "null"] if blank else "object", "additionalProperties": form}


def by_severity(form: Form) -> Form:
    """One value, or one for each severity."""
    tiers = {severity.value: form for severity in Severity}
    return {"anyOf": [form, keys(tiers, minProperties=1)]}


def at_least_one(*names: str) -> dict[str, Any]:
    """A condition on a mapping: one of these keys is there."""
    return {"anyOf": [{"required": [name]} for name in names]}


def in_a_file(name: str, description: str) -> dict[str, Form]:
    """A secret: in this file, or in one of its own under `<name>_file`."""
    return {name: told(TEXT, description), f"{name}_file": told(TEXT, f"a file that holds {name}")}
