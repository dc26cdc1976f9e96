"""From what a test says of signals and fields to the columns of records that a service would write."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np

from monitor.cli.testing import shapes
from monitor.cli.testing.shapes import Column, Shape, Share
from monitor.config.model import Config
from monitor.config.tree import Node
from monitor.records.signals import BY_NAME, MISSING, SIGNALS, Kind
from monitor.records.user_signals import UserSignal

Columns = dict[tuple[str, ...], Column]
"""By the path into the record; object[n], None where a record has nothing there."""

Read = Callable[[Node], Shape]
Draw = Callable[[Shape], Column]

NOT_DRAWN: Final = frozenset({"late", "inconsistent", "requests"})
"""What records like each other cannot show: it takes `records: FILE`."""
TEXTS: Final = ("expected_language", "prompt_version", "cached_version", "user", "trace_id", "model")
FLAGS: Final = {
    "abstained": ("abstained", True),
    "fallback": ("fallback", True),
    "cold_start": ("cold_start", True),
    "invalid_output": ("valid_output", False),
    "incorrect": ("correct", False),
}
WHOLE_NUMBERS: Final = frozenset({"tokens", "characters", "requests", "bytes"})
SURE: Final = 0.95
LABELS: Final = (("correct",), ("label",))
"""What a label record holds."""


def readers(config: Config) -> dict[str, Read]:
    """How each signal and field that a test may name is read."""
    found: dict[str, Read] = dict.fromkeys(TEXTS[:-1], shapes.mix)
    for signal in SIGNALS:
        if signal.name not in NOT_DRAWN:
            found[signal.name] = _reader(signal.kind, signal.unit)
    for user in config.signals:
        found[user.signal.name] = _reader(user.signal.kind, user.signal.unit)
        found[user.missing.name] = shapes.share
    return found


def _reader(kind: Kind, unit: str) -> Read:
    if kind is Kind.RATE:
        return shapes.share
    if kind is Kind.CATEGORY:
        return shapes.mix
    return shapes.probabilities if unit == "probability" else shapes.numbers


def columns(
    given: Mapping[str, Shape], stream: Mapping[str, str], n: int, rng: np.random.Generator, config: Config
) -> Columns:
    """The columns of `n` records."""
    drawn = {name: shape.drawn(n, rng) for name, shape in given.items()}
    found: Columns = {path(label): np.full(n, value, object) for label, value in stream.items()}
    _plain(found, drawn)
    _outcomes(found, drawn, n)
    _answers(found, drawn, n)
    _labelled(found, drawn, config)
    for user in config.signals:
        if user.signal.name in drawn:
            found[user.path] = _of_user(user, drawn[user.signal.name])
    _gaps(found, drawn, given, config)
    return found


def path(field: str) -> tuple[str, ...]:
    """`segment.country` is inside of `segment`."""
    return tuple(field.split(".", 1)) if field.startswith("segment.") else (field,)


def _plain(found: Columns, drawn: Mapping[str, Column]) -> None:
    """Signals that are a field of the same name."""
    for name, values in drawn.items():
        signal = BY_NAME.get(name)
        if name in TEXTS or name.startswith("segment.") or (signal and signal.kind is Kind.CATEGORY):
            found[path(name)] = values
        elif signal and signal.kind is Kind.DISTRIBUTION and signal.field == name:
            found[path(name)] = np.round(values) if signal.unit in WHOLE_NUMBERS else values
        elif name in FLAGS:
            field, flag = FLAGS[name]
            found[(field,)] = values == flag


def _outcomes(found: Columns, drawn: Mapping[str, Column], n: int) -> None:
    """`status`: of what was tried, errors, of which timeouts; and what was rejected."""
    none = np.zeros(n, np.bool_)
    timeout = drawn.get("timeout", none)
    error = drawn.get("error", none)
    kinds = [drawn.get("rejected", none), timeout, error]
    if drawn.keys() & {"rejected", "timeout", "error"}:
        found[("status",)] = np.select(kinds, ["rejected", "timeout", "error"], "ok").astype(object)
    if "error_type" in drawn:
        failed = timeout | error
        found[("error_type",)] = _only(failed, drawn["error_type"])


def _answers(found: Columns, drawn: Mapping[str, Column], n: int) -> None:
    if "truncated" in drawn:
        usual = found.get(("finish_reason",), np.full(n, "stop", object))
        found[("finish_reason",)] = np.where(drawn["truncated"], "length", usual)
    for name, field in (("input_chars", "input"), ("output_chars", "output")):
        if name in drawn:
            found[(field,)] = np.array(["x" * max(round(length), 1) for length in drawn[name]], object)
    if "empty_output" in drawn:
        usual = found.get(("output",), np.full(n, "Yes.", object))
        found[("output",)] = np.where(drawn["empty_output"], "", usual)
    if "wrong_language" in drawn:
        spoken = found.setdefault(("output_language",), np.full(n, "en", object))
        other = np.where(spoken == "en", "de", "en")
        found[("expected_language",)] = np.where(drawn["wrong_language"], other, spoken)
    if "stale_cache" in drawn:
        version = found.setdefault(("version",), np.full(n, "v1", object))
        found[("cache_hit",)] = np.full(n, True, object)
        found[("cached_version",)] = np.where(drawn["stale_cache"], "before", version)


def _labelled(found: Columns, drawn: Mapping[str, Column], config: Config) -> None:
    if "negative_feedback" in drawn:
        found[("rating",)] = np.where(drawn["negative_feedback"], config.bad_below - 1, config.bad_below + 1)
    if "abs_error" in drawn:
        found[("prediction",)] = np.zeros(len(drawn["abs_error"]))
        found[("label",)] = drawn["abs_error"]
    if "confidently_wrong" in drawn:
        wrong = drawn["confidently_wrong"]
        right = found.get(("correct",), np.full(len(wrong), True))
        found[("correct",)] = right.astype(np.bool_) & ~wrong
        found[("confidence",)] = np.where(wrong, SURE, found.get(("confidence",), np.full(len(wrong), 0.5)))


def _of_user(user: UserSignal, drawn: Column) -> Column:
    if user.signal.kind is not Kind.RATE:
        return np.clip(drawn, user.low, user.high) if user.signal.kind is Kind.DISTRIBUTION else drawn
    yes: Any = user.when[0] if user.when else True
    return np.where(drawn, yes, "other" if user.when else False).astype(object)


def _gaps(found: Columns, drawn: Mapping[str, Column], given: Mapping[str, Shape], config: Config) -> None:
    """`missing.NAME` takes the field away."""
    of_users = {user.missing.name: user.path for user in config.signals}
    for name, shape in given.items():
        where = of_users.get(name) or path(name.removeprefix(MISSING))
        if name.startswith(MISSING) and isinstance(shape, Share) and where in found:
            found[where] = _only(~drawn[name], found[where])


def _only(mask: Column, values: Column) -> Column:
    """The values where `mask` bool[n] is true, None elsewhere."""
    found = values.astype(object)
    found[~mask] = None
    return found
