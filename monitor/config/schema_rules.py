"""One rule of alerts.yaml as JSON Schema."""

from typing import Any, Final

from monitor.config.forms import (
    DURATION,
    FLAG,
    LIMIT,
    NULL,
    PERCENTILE,
    TEXT,
    WHOLE,
    Form,
    at_least_one,
    by_severity,
    keys,
    matching,
    one_of_words,
    one_or_several,
    several,
    told,
)
from monitor.config.objective_of import FORM as OBJECTIVE
from monitor.config.overrides import FIXED, KEY
from monitor.config.rule import Severity
from monitor.config.rules import CONDITIONS
from monitor.records.signals import SIGNALS, Side

_LIMIT: Final = (
    "5%, 0.05, 800ms, 2s stand as they are; 5pp are points beyond the reference; 2x is so many times the "
    "reference; `reference` is what `tolerance` says; or one for each severity"
)
_TOLERANCE: Final = (
    "how far from the reference is fine: points such as 10pp, or a factor such as 1.5x; or one a severity"
)
MATCH: Final[Form] = told(
    {"type": "object", "minProperties": 1, "additionalProperties": one_or_several(TEXT, least=1)},
    'globs by label, such as {model: chat-*}; a list is any of them, "!glob" is all but those',
)
HOURS: Final[Form] = told(
    one_or_several(TEXT), "hours of the week, such as Mon-Fri 07:00-22:00 Europe/Zurich"
)


def rule() -> dict[str, Any]:
    """A rule with its overrides."""
    lines = told(several(_override(), least=1), "keys replaced for some streams; later lines win")
    watches = {"required": ["signal"], **at_least_one(*(c for c in CONDITIONS if c != "absent"))}
    complete = {"anyOf": [{"required": ["absent"]}, watches]}
    return dict(keys(_keys() | {KEY: lines}, required=["name"], allOf=[complete]))


def _override() -> Form:
    replaced = {name: form for name, form in _keys().items() if name not in FIXED}
    return keys(replaced | {"match": MATCH}, required=["match"], minProperties=2)


def _keys() -> dict[str, Form]:
    return _watching() | _condition() | _behaviour()


def _watching() -> dict[str, Form]:
    return {
        "name": told(TEXT, "a rule is its name: a new name is a new rule, with incidents of its own"),
        "signal": told(one_or_several(_signal()), "what to watch: a signal, a list, or a glob"),
        "match": MATCH,
        "each": told(TEXT, "judge every value of this field of `streams.slices` by itself, such as version"),
        "quantile": told(
            PERCENTILE, "which percentile of a distribution `above` and `below` are of, such as p99"
        ),
        "window": told(
            DURATION,
            "a plain threshold over the last so long, 1s to 1h, outside the promise of `false_alarms`",
        ),
        "total": told(DURATION, "`above` and `below` are of the sum over the last so long, 1m to 31d"),
        "during": HOURS,
    }


def _signal() -> Form:
    known = [{"const": s.name, "description": s.meaning} for s in SIGNALS]
    return {"anyOf": [*known, TEXT]}


def _condition() -> dict[str, Form]:
    return {
        "above": told(by_severity(LIMIT), f"the most that is fine: {_LIMIT}"),
        "below": told(by_severity(LIMIT), f"the least that is fine: {_LIMIT}"),
        "drift": told(
            one_of_words(Side, NULL),
            "which way it must not move; left empty, the way that is bad for the signal",
        ),
        "tolerance": told(by_severity(LIMIT), _TOLERANCE),
        "objective": told(
            matching(OBJECTIVE, "number"),
            "an error budget: `99.9%` of a rate, or `99% below 100ms` of a distribution",
        ),
        "over": told(DURATION, "the time of an objective, 3d to 92d", "30d"),
        "absent": told(DURATION, "how long nothing may come; 10s or more"),
    }


def _behaviour() -> dict[str, Form]:
    return {
        "severity": told(
            one_of_words(Severity), "of a limit that stands alone; left out, that of `defaults`"
        ),
        "min_n": told(
            WHOLE, "predictions since the change began that an alarm needs; left out, as in `defaults`"
        ),
        "for": told(
            DURATION,
            "how long the condition must hold before an incident opens, at most 7d; left out, it does not wait",
        ),
        "clear_for": told(
            DURATION, "how long all must be well before it resolves; left out, as in `defaults`"
        ),
        "renotify": told(
            DURATION,
            "say it again after each such time in which nobody acknowledged; left out, as in `defaults`, else never",
        ),
        "notify": told(
            by_severity(one_or_several(TEXT)),
            "receivers that are told, all or by severity; a name may hold {label}; left out, as in `defaults`",
        ),
        "kill": told({"anyOf": [TEXT, NULL]}, "the kill switch to pull at critical; a name may hold {label}"),
        "runbook": told(TEXT, "an address that messages show; may hold {label}; left out, as in `defaults`"),
        "title": told(TEXT, "what messages call it; may hold {label}"),
        "enabled": told(FLAG, "false: the rule is not there", True),
        "dry_run": told(FLAG, "true: incidents are kept, nobody is told, nothing is killed", False),
    }
