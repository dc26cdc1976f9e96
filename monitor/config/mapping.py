"""`source.format`, `map`, `root`, `each` and `where`: how messages are read that are no prediction records."""

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar

from monitor.config.places import keyed, path_of, place, read_items, read_tests, read_where, refuse_others
from monitor.config.presets import PRESETS, preset_text
from monitor.config.problem import Report, WrongError, listed, meant
from monitor.config.section import Section, each
from monitor.config.tree import Mapping as MappingNode
from monitor.config.tree import Node, Sequence, parse, shown
from monitor.config.values import flag, one_of, scalar, text, written
from monitor.errors import ConfigError
from monitor.records.formats.language import (
    STATUSES,
    Condition,
    Duration,
    Expression,
    Field,
    First,
    Format,
    Members,
    Origin,
    Outcome,
    Place,
    Split,
)
from monitor.records.record import FEATURES, FURTHER, SEGMENT, Flag, Record

UNITS: Final = {"s": 1e3, "ms": 1.0, "us": 1e-3, "ns": 1e-6}
TIMES: Final = ("ts", "latency_ms", "ttft_ms")
FIELDS: Final = tuple(dict.fromkeys((*Record.__struct_fields__, *FURTHER)))
KEYS: Final = ("format", "map", "root", "each", "where")
OBJECTS: Final = (SEGMENT, FEATURES)
FLAGS: Final = {"is": "true", "is_not": "false"}
BOOLEANS: Final = tuple(name for name, kind in Record.__annotations__.items() if kind == Flag)
TYPES: Final = ("label", "feedback")
MODIFIERS: Final = (
    *("field", "from", "to", "unit", "when", "json", "missing", "plus", "other_than", "split"),
    *(*STATUSES, "absent", "else"),
    *("is", "is_not"),
)
"""The keys that say how a value is read; no form has them all."""

_OWN: Final = Format({name: Place((name,)) for name in FIELDS})
_SPLIT: Final = ("model", "version")


T = TypeVar("T")


def read_format(section: Section, type_of: str | None = None) -> Format | None:
    """How the messages of `section` are read; None where nothing is said: they are prediction records.

    With a `type_of` they are all labels, or all feedback, whatever they say themselves.
    """
    name = section.take("format", _known_format, None)
    given = any(key in section for key in KEYS)
    base = _OWN if name is None else preset(name)
    found = read_mapping(section, base)
    if type_of is not None:
        found = _all_of_type(found, type_of)
    return found if given or type_of is not None else None


def _all_of_type(form: Format, type_of: str) -> Format:
    return replace(form, fields={**form.fields, "type": Place((type_of,), Origin.CONST)}, type=type_of)


def read_mapping(section: Section, base: Format) -> Format:
    """`base` with what `map`, `root`, `each` and `where` say in its place."""
    report = section.report
    fields = section.take("map", partial(_fields, report=report), {})
    each_of = section.take("each", partial(read_items, report=report), (base.each, base.choices))
    return Format(
        fields=_with_versions({**base.fields, **fields}, fields),
        root=section.take("root", lambda node: path_of(node, text(node)), base.root),
        each=each_of[0],
        choices=each_of[1],
        type=base.type,
        where=section.take("where", partial(read_where, report=report), base.where),
    )


def preset(name: str) -> Format:
    """The preset of a name, which is written as `source` is."""
    report = Report(f"{name}.yaml")
    node = parse(preset_text(name), report)
    found = Format({}) if node is None else _preset(Section(node, report))
    if report.problems:
        raise ConfigError([str(problem) for problem in report.in_order()])
    return found


def _preset(section: Section) -> Format:
    type_of = section.take("type", one_of(*TYPES), None)
    found = read_mapping(section, Format({}))
    return found if type_of is None else _all_of_type(found, type_of)


def _known_format(node: Node) -> str | None:
    value = scalar(node)
    if value.text not in PRESETS:
        raise WrongError(f"{written(value)} is no format that Tocsin knows", meant(value.text, PRESETS))
    return value.text


def _fields(node: Node, report: Report) -> dict[str, Expression]:
    section = Section(keyed(node, "such as {model: model_name}"), report)
    for name, at in section.node.keys.items():
        if name not in FIELDS:
            path = section.node.values[name].path
            report.add(at, path, f"{shown(name)} is no field of a record", meant(name, FIELDS))
    return _read_each(section, FIELDS, report)


def _read_each(section: Section, names: tuple[str, ...], report: Report) -> dict[str, Expression]:
    found: dict[str, Expression] = {}
    for name in section.node.values:
        if name in names:
            made = section.take(name, partial(_expression, field=name, report=report), None)
            if made is not None:
                found[name] = made
    return found


def _with_versions(
    fields: Mapping[str, Expression], given: Mapping[str, Expression]
) -> dict[str, Expression]:
    """A model that is split gives the version too, unless the file says where that is."""
    model = fields.get("model")
    if isinstance(model, Split) and "version" in model.names and "version" not in given:
        return {**fields, "version": replace(model, part="version")}
    return dict(fields)


def _expression(node: Node, field: str, report: Report) -> Expression:
    if isinstance(node, Sequence):
        if not node.items:
            raise WrongError("there is no place to look for a value", "such as [model_group, model]")
        return First(each(node, partial(_expression, field=field, report=report), report))
    if not isinstance(node, MappingNode):
        return place(node)
    section = Section(node, report)
    if "from" in section or "to" in section:
        return _duration(section, field)
    if "field" in section:
        return _of_field(section, field)
    if field not in OBJECTS:
        raise WrongError(
            "this says nowhere where the value is", "such as {field: /usage/ms, unit: ms} or {from: a, to: b}"
        )
    names = tuple(node.values)
    if not names:
        raise WrongError("this object has no members", f"such as {field}: {{team: /metadata/team}}")
    return Members(_read_each(section, names, report))


def _of_field(section: Section, field: str) -> Expression:
    of = section.take("field", partial(_expression, field=field, report=section.report), Place(()))
    when = section.take("when", partial(read_tests, report=section.report), ())
    made: Expression
    if any(word in section for word in (*STATUSES, "absent", "else")):
        made = _outcome(section, _in_json(section, of), when, field)
    elif any(word in section for word in FLAGS):
        made = _flag(section, _in_json(section, of), when, field)
    elif "split" in section:
        made = _split(section, _in_json(section, of), field)
    else:
        made = _plain(section, of, when, field)
    refuse_others(section, MODIFIERS)
    return made


def _in_json(section: Section, of: Expression) -> Expression:
    return Field(of, json=section.take("json", _json, None)) if "json" in section else of


def _plain(section: Section, of: Expression, when: tuple[Condition, ...], field: str) -> Field:
    factor = section.take("unit", _unit, None)
    if "unit" in section and field not in TIMES:
        section.wrong(f"unit has no effect on {field}", f"it is for {listed(TIMES)}", at="unit")
    missing = section.take("missing", partial(_words, report=section.report), frozenset())
    plus = section.take("plus", place, None)
    if plus is not None and factor is None:
        section.wrong("plus needs a unit", "of both numbers, such as unit: ms", at="plus")
    return Field(of, factor, section.take("json", _json, None), missing, plus, when)


def _outcome(section: Section, of: Expression, when: tuple[Condition, ...], field: str) -> Outcome:
    if field != "status":
        section.wrong(f"{field} is no status", "ok, error, timeout and rejected stand under status only")
    words: dict[str, str] = {}
    for status in STATUSES:
        for word in section.take(status, partial(_words, report=section.report), frozenset()):
            if word in words:
                section.wrong(f"a value is both {words[word]} and {status}", "remove one", at=status)
            words[word] = status
    status_of = one_of(*STATUSES)
    absent, otherwise = section.take("absent", status_of, None), section.take("else", status_of, None)
    return Outcome(of, words, absent, otherwise, when)


def _flag(section: Section, of: Expression, when: tuple[Condition, ...], field: str) -> Outcome:
    if field not in BOOLEANS:
        section.wrong(f"{field} is neither true nor false", f"is and is_not stand under {listed(BOOLEANS)}")
    words: dict[str, str] = {}
    for key, said in FLAGS.items():
        for word in section.take(key, partial(_words, report=section.report), frozenset()):
            if word in words:
                section.wrong("a value is both true and false", "remove one", at=key)
            words[word] = said
    return Outcome(of, words, when=when)


def _split(section: Section, of: Expression, field: str) -> Expression:
    pattern = section.take("split", _pattern, None)
    if "when" in section:
        section.wrong("when has no effect beside split", "remove it", at="when")
    if pattern is None:
        return of
    named = tuple(pattern.groupindex)
    names = named or (_SPLIT if field in _SPLIT else (field,))
    if field not in names:
        section.wrong(
            f"no group of split is called {field}", f"such as (?P<{field}>...), or without a name", at="split"
        )
    return Split(of, pattern, names, field)


def _duration(section: Section, field: str) -> Duration:
    if field not in ("latency_ms", "ttft_ms"):
        section.wrong(f"{field} is no duration", "from and to stand under latency_ms and ttft_ms")
    read = partial(_expression, field=field, report=section.report)
    made = Duration(
        start=section.must("from", read, Place(()), "the place of the time that it begins"),
        end=section.must("to", read, Place(()), "the place of the time that it ends"),
        factor=section.take("unit", _unit, None),
        other_than=section.take("other_than", place, None),
        when=section.take("when", partial(read_tests, report=section.report), ()),
    )
    refuse_others(section, MODIFIERS)
    return made


def _unit(node: Node) -> float:
    return UNITS[one_of(*UNITS)(node)]


def _json(node: Node) -> tuple[str, ...] | None:
    value = text(node)
    return path_of(node, value) if value.startswith("/") else () if flag(node) else None


def _words(node: Node, report: Report) -> frozenset[str]:
    return frozenset(each(node, text, report))


def _pattern(node: Node) -> re.Pattern[str]:
    try:
        return re.compile(text(node))
    except re.error as error:
        raise WrongError(f"{written(scalar(node))} is no regular expression", str(error)) from None
