"""`signals`: signals of the user's own, from any field of a record."""

import re
from collections.abc import Iterable
from functools import partial
from typing import Final

from monitor.config.places import pointer
from monitor.config.problem import Report, WrongError, listed
from monitor.config.section import Section, each
from monitor.config.signal_names import Vocabulary
from monitor.config.tree import Node, Sequence, scalars, shown
from monitor.config.values import number, one_of, scalar, text, written
from monitor.records.record import FEATURES, SEGMENT, Record
from monitor.records.signals import BY_NAME, MISSING, SIGNALS, Kind, Signal
from monitor.records.text import clean_name
from monitor.records.user_signals import UserSignal, user_signal

KINDS: Final = (Kind.RATE.value, Kind.DISTRIBUTION.value, Kind.CATEGORY.value)
SCALES: Final = {"log": (0.0, float(2**53)), "probability": (0.0, 1.0)}
MAX_SIGNALS: Final = 100
EXAMPLE: Final = "such as income: {kind: distribution, field: /features/income_eur}"

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")
_OBJECTS: Final = (FEATURES, SEGMENT)
_FIELDS: Final = frozenset(
    {*Record.__struct_fields__, *(s.field for s in SIGNALS if s.name.startswith(MISSING))}
)
_ONLY: Final = {"when": Kind.RATE, "scale": Kind.DISTRIBUTION, "range": Kind.DISTRIBUTION}


def read_user_signals(root: Section) -> tuple[tuple[UserSignal, ...], Vocabulary]:
    """The signals that the file defines, and all that its rules may name."""
    found: dict[str, UserSignal] = {}
    wrong: set[str] = set()
    section = root.inner("signals")
    for name, child in root.children("signals"):
        before = len(root.report.problems)
        signal = _signal(name, child)
        unset = any(value.unset for value in scalars(child.node))
        if signal is None or unset or len(root.report.problems) > before:
            wrong.add(name)
        else:
            found[name] = signal
    if section is not None:
        wrong |= section.node.values.keys() - found.keys()
        _refuse_many(section)
        _refuse_shared(section, found)
    known = {s.name: s for user in found.values() for s in (user.signal, user.missing)}
    ranges = _ranges(SIGNALS) | {name: (user.low, user.high) for name, user in found.items()}
    hidden = frozenset(wrong - BY_NAME.keys())
    return tuple(found.values()), Vocabulary({**BY_NAME, **known}, hidden, ranges)


def _ranges(signals: Iterable[Signal]) -> dict[str, tuple[float, float]]:
    spread = [s for s in signals if s.kind is Kind.DISTRIBUTION]
    return {s.name: SCALES["probability" if s.unit == "probability" else "log"] for s in spread}


def _signal(name: str, section: Section) -> UserSignal | None:
    _check_name(name, section)
    kind = section.must("kind", one_of(*KINDS), None, f"a signal is a {listed(KINDS, 'or')}")
    path = section.must("field", _path, None, "the field that it counts, such as /features/income_eur")
    when = section.take("when", partial(_when, report=section.report), ())
    scale = section.take("scale", one_of(*SCALES), "log")
    low, high = section.take("range", partial(_range, scale=scale), SCALES[scale])
    for key, of in _ONLY.items():
        if key in section and kind in KINDS and kind != of:
            section.wrong(f"{key} has no effect on a {kind}", "remove it", at=key)
    section.close()
    if kind is None or path is None:
        return None
    field = path[0] if len(path) == 1 else scalar(section.node.values["field"]).text.strip()
    row = user_signal(name, Kind(kind), field, probability=scale == "probability")
    return UserSignal(row, path, when, low, high)


def _check_name(name: str, section: Section) -> None:
    if not _NAME.fullmatch(name):
        section.wrong(f"{shown(name)} cannot be a signal", "up to 63 letters, digits, `_` and `-`")
    elif name in BY_NAME:
        section.wrong(f"{name} is a signal of Tocsin's own", "choose another name")
    elif name in _FIELDS:
        section.wrong(
            f"{name} is a field of the record, and {MISSING}{name} is about that", "choose another name"
        )


def _path(node: Node) -> tuple[str, ...]:
    """A JSON Pointer (RFC 6901) or a top-level key, as keys."""
    value = text(node)
    if not value.startswith("/"):
        if "." in value or "/" in value:
            inside = "/" + re.sub(r"[./]+", "/", value)
            raise WrongError(
                f"{written(scalar(node))} is no top-level key", f"write {inside} for what is inside"
            )
        return _into((value,))
    return _into(pointer(node, value, "/features/income_eur"))


def _into(keys: tuple[str, ...]) -> tuple[str, ...]:
    head = keys[0]
    if head in _OBJECTS and len(keys) == 1:
        raise WrongError(f"{head} is an object", f"name what is inside, such as /{head}/income_eur")
    if head in _FIELDS and head not in _OBJECTS and len(keys) > 1:
        raise WrongError(f"there is nothing inside {head}", f"write {head}")
    if head == SEGMENT and len(keys) > 2:
        raise WrongError("segments are texts, with nothing inside", f"write /{SEGMENT}/{keys[1]}")
    return keys


def _when(node: Node, report: Report) -> tuple[str, ...]:
    if isinstance(node, Sequence) and not node.items:
        raise WrongError("there is no value to count", "such as [DECLINE]")
    return each(node, lambda item: clean_name(text(item)), report)


def _range(node: Node, scale: str) -> tuple[float, float]:
    low, high = SCALES[scale]
    if not isinstance(node, Sequence) or len(node.items) != 2:
        raise WrongError("a range is its least and its largest value", "such as [0, 2]")
    first, last = (number(item) for item in node.items)
    if not low <= first < last <= high:
        raise WrongError(
            f"a {scale} scale has values from {low:g} to {high:g}, the smaller first", "such as [0, 1]"
        )
    return first, last


def _refuse_many(section: Section) -> None:
    if len(section.node.values) > MAX_SIGNALS:
        section.wrong(f"there are more than {MAX_SIGNALS} signals", "remove some")


def _refuse_shared(section: Section, found: dict[str, UserSignal]) -> None:
    """Codes are hashes of names: two names may have the same."""
    taken: dict[int, str] = {}
    for name, user in found.items():
        for code in (user.signal.code, user.missing.code):
            other = taken.setdefault(code, name)
            if other != name:
                section.wrong(f"{name} and {other} have the same number in the ledger", "rename one", at=name)
