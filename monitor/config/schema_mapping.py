"""The part of the JSON Schema that says how messages are read which are no prediction records."""

from typing import Final

from monitor.config.forms import NULL, TEXT, Form, one_of_words, one_or_several, several, told
from monitor.config.mapping import FIELDS, MODIFIERS, OBJECTS
from monitor.config.presets import PRESETS

_TOLD: Final[Form] = {"type": "object", "minProperties": 1, "propertyNames": {"enum": list(MODIFIERS)}}
_ONE: Final[Form] = {"anyOf": [TEXT, _TOLD]}
_VALUE: Final[Form] = {"anyOf": [TEXT, several(_ONE, least=1), _TOLD]}
_ROWS: Final[Form] = {
    "anyOf": [TEXT, {"type": "object", "minProperties": 1, "propertyNames": {"enum": ["field", "shape"]}}]
}
_MEMBERS: Final[Form] = {"type": "object", "minProperties": 1}
_TESTS: Final[Form] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": one_or_several({"anyOf": [TEXT, NULL]}, least=1),
}


def mapping() -> dict[str, Form]:
    """The keys of `source` that say how messages are read."""
    fields = {
        "type": "object",
        "propertyNames": {"enum": list(FIELDS)},
        "patternProperties": {f"^({'|'.join(OBJECTS)})$": {"anyOf": [_VALUE, _MEMBERS]}},
        "additionalProperties": _VALUE,
    }
    return {
        "format": told(
            one_of_words(PRESETS),
            "how the messages of a product are read; left out, they are prediction records",
        ),
        "map": told(
            fields, "where each field of a record is found: a key, a /json/pointer, or a list of them"
        ),
        "root": told(TEXT, "where in a message the object is, such as /payload"),
        "each": told(
            one_or_several(_ROWS, least=1), "where in a message its records are, such as /predictions/*"
        ),
        "where": told(one_or_several(_TESTS, least=1), "which messages count; others are ignored"),
    }
