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

_HOW: Final = (
    "5%, 0.05, 800ms, 2s stand as they are; 5pp are points beyond the reference; 2x is so many times the "
    "reference; or one for each severity"
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
    limits = told(by_severity(LIMIT), _HOW)
    return _watching() | _condition(limits) | _behaviour()


def _watching() -> dict[str, Form]:
    return {
        "name": told(TEXT, "a rule is its name: incidents keep to it"),
        "signal": told(one_or_several(_signal()), "what to watch: a signal, a list, or a glob"),
        "match": MATCH,
        "each": told(TEXT, "judge every value of this slice by itself, such as version"),
        "quantile": told(PERCENTILE, "of a distribution: p50, p90, p95, p99, p99.9"),
        "window": told(DURATION, "a plain threshold over so long, without statistics"),
        "total": told(DURATION, "a limit on the sum over so long"),
        "during": HOURS,
    }


def _signal() -> Form:
    known = [{"const": s.name, "description": s.meaning} for s in SIGNALS]
    return {"anyOf": [*known, TEXT]}


def _condition(limits: Form) -> dict[str, Form]:
    return {
        "above": limits,
        "below": limits,
        "drift": told(
            one_of_words(Side, NULL), "which way it must not move; left empty, the way that is bad"
        ),
        "tolerance": told(limits, f"how far from the reference is fine: {_HOW}"),
        "objective": told(matching(OBJECTIVE, "number"), "99.9%, or 99% below 100ms: an error budget"),
        "over": told(DURATION, "the time of an objective (30d)"),
        "absent": told(DURATION, "nothing came for so long"),
    }


def _behaviour() -> dict[str, Form]:
    return {
        "severity": told(one_of_words(Severity), "where a limit stands alone (warning)"),
        "min_n": told(WHOLE, "predictions since the change began that an alarm needs (100)"),
        "for": told(DURATION, "how long the condition must hold before an incident opens"),
        "clear_for": told(DURATION, "how long all must be well before it resolves (10m)"),
        "renotify": told(DURATION, "say it again after each such time in which nobody acknowledged"),
        "notify": told(by_severity(one_or_several(TEXT)), "who is told; a name may hold {label}"),
        "kill": told({"anyOf": [TEXT, NULL]}, "the kill switch to pull at critical"),
        "runbook": told(TEXT, "an address that messages show; may hold {label}"),
        "title": told(TEXT, "what messages call it; may hold {label}"),
        "enabled": told(FLAG, "false: the rule is not there"),
        "dry_run": told(FLAG, "true: incidents are kept, nobody is told, nothing is killed"),
    }
