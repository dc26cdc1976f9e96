"""The one line that says which model, what and how much: `chat-eu: 31% of answers are German, was 2%`."""

from typing import Final

from monitor.ledger.facts import Budget, Facts
from monitor.ledger.languages import language
from monitor.ledger.wording import amount, apart, clip, digits, duration, percent, points, span
from monitor.records.signals import MISSING

LONGEST: Final = 300

_RATES: Final = {
    "error": "of requests fail",
    "timeout": "of requests time out",
    "rejected": "of requests are rejected",
    "truncated": "of answers are cut off",
    "empty_output": "of answers are empty",
    "abstained": "of predictions are withheld",
    "invalid_output": "of answers are invalid",
    "fallback": "of requests are served by the fallback",
    "negative_feedback": "of ratings are bad",
    "incorrect": "of predictions are wrong",
    "confidently_wrong": "of predictions are wrong with confidence",
    "stale_cache": "of cache hits are stale",
    "wrong_language": "of answers are in the wrong language",
    "inconsistent": "of repeated inputs get another answer",
    "cold_start": "of requests meet a cold start",
    "late": "of records come late",
}
_CATEGORIES: Final = {
    "output_language": "of answers are {}",
    "input_language": "of inputs are {}",
    "finish_reason": "of answers end with '{}'",
    "error_type": "of failures are {}",
    "prediction": "of predictions are {}",
    "version": "of requests are answered by {}",
}
_LENGTHS: Final = {
    "output_tokens": "answers",
    "output_chars": "answers",
    "input_tokens": "inputs",
    "input_chars": "inputs",
}
_MEASURES: Final = {
    "latency_ms": "latency",
    "ttft_ms": "time to first token",
    "memory_bytes": "memory",
    "cost_usd": "cost",
    "batch_size": "batch size",
    "abs_error": "error of predictions",
}


_UNITS_ENOUGH: Final = ("latency_ms", *_LENGTHS)


def headline(facts: Facts) -> str:
    """The headline of an incident, at most 300 characters; a rule's own title stands before the figures."""
    if facts.kind == "internal":
        return clip(facts.title or facts.rule, LONGEST)
    stream, title, said = _of(facts), clip(facts.title or "", 80), _what(facts)
    return clip(f"{stream}: {title} ({said})" if title else f"{stream}: {said}", LONGEST)


def _of(facts: Facts) -> str:
    """`chat-eu`, or `chat-eu version v42` where a version is judged by itself."""
    stream = clip(facts.stream, 120)
    return f"{stream} {clip(facts.part[0], 40)} {clip(facts.part[1], 60)}" if facts.part else stream


def unit_of(facts: Facts) -> str | None:
    """The unit of `observed`: a rate or a category's share is a share whatever the signal's unit."""
    quantity = facts.quantity or ""
    return "share" if quantity == "rate" or quantity.startswith("share:") else facts.unit


def subject(facts: Facts) -> str:
    """What `observed` is a figure of, without the figure: `of answers are German`, `p99 latency`."""
    quantity, signal = facts.quantity or "", facts.signal or "value"
    if facts.budget is not None and facts.budget.below is not None:
        return _beyond(facts, facts.budget.below)
    if quantity == "rate":
        return _counted(signal)
    if quantity.startswith("share:"):
        category = clip(quantity.removeprefix("share:"), 60)
        shown = language(category) if signal.endswith("_language") else category
        return _CATEGORIES.get(signal, f"of records have {signal} {{}}").replace("{}", shown)
    if quantity == "total":
        return f"total {_MEASURES.get(signal, signal)}"
    if quantity == "count":
        return "traffic" if signal == "requests" else f"number of {signal}"
    edge = "median" if quantity == "p50" else quantity
    if signal in _MEASURES:
        return f"{edge} {_MEASURES[signal]}".strip()
    return edge if signal in _LENGTHS else f"{signal} {edge}".strip()


def _counted(signal: str) -> str:
    """What a rate counts: `of requests fail`."""
    if signal == "requests":
        return "of requests"
    missing = signal.removeprefix(MISSING) if signal.startswith(MISSING) else None
    return f"of records have no {missing}" if missing else _RATES.get(signal, f"of records are {signal}")


def _what(facts: Facts) -> str:
    if facts.kind == "absent":
        return f"no records for {duration(facts.observed or 0)}"
    if facts.budget is not None and facts.observed is not None:
        return _burning(facts, facts.budget, facts.observed)
    if facts.observed is None:
        return f"{subject(facts)} is out of bounds"
    observed, reference = _figures(facts, facts.observed)
    unchanged = " (p50 unchanged)" if facts.median_unchanged else ""
    return f"{_statement(facts, observed)}{_over(facts)}{_before(facts, reference)}{unchanged}"


def _burning(facts: Facts, budget: Budget, observed: float) -> str:
    """`error budget burns 14.4 times too fast (14% of requests over 100 ms in 1 h, objective 99%)`."""
    burn = digits(observed / (1 - budget.target), 3)
    bad = f"{percent(observed)} {subject(facts)} in {span(facts.window_ms or 0)}"
    return f"error budget burns {burn} times too fast ({bad}, objective {100 * budget.target:g}%)"


def _beyond(facts: Facts, below: float) -> str:
    """What an objective on a distribution counts as bad: `of requests over 100 ms`."""
    signal = facts.signal or "value"
    records = "predictions" if signal in ("confidence", "score") else _LENGTHS.get(signal, "requests")
    what = "" if signal in _UNITS_ENOUGH else f"with {_MEASURES.get(signal, signal)} "
    return f"of {records} {what}over {amount(below, facts.unit)}"


def _figures(facts: Facts, observed: float) -> tuple[str, str | None]:
    unit = unit_of(facts)
    if facts.reference is None:
        return amount(observed, unit), None
    return apart(lambda value, figures: amount(value, unit, figures), observed, facts.reference)


def _statement(facts: Facts, observed: str) -> str:
    if facts.quantity == "total" and facts.unit is None:
        return f"{observed} {_counted(facts.signal or '').removeprefix('of ')}"
    if unit_of(facts) == "share":
        only = "only " if facts.side == "down" else ""
        return f"{only}{observed} {subject(facts)}"
    if facts.signal in _LENGTHS and facts.quantity not in ("total", "count"):
        direction = "short" if facts.side == "down" else "long"
        return f"{_LENGTHS[facts.signal]} are {direction}: {subject(facts)} {observed}"
    return f"{subject(facts)} {observed}"


def _over(facts: Facts) -> str:
    return f" over {duration(facts.window_ms)}" if facts.window_ms else ""


def _before(facts: Facts, reference: str | None) -> str:
    if reference is None:
        return f", limit {facts.tolerance}" if facts.tolerance else ""
    worded = facts.unit in ("tokens", "characters", "requests") and unit_of(facts) != "share"
    return f", was {reference.removesuffix(f' {facts.unit}') if worded else reference}"


def gain(facts: Facts) -> str | None:
    """What the alarm certifies: `+24 pp` against the reference, `4.4 s`; None where nothing is certified."""
    if facts.at_least is None or facts.kind in ("internal", "absent"):
        return None
    if unit_of(facts) != "share":
        return amount(facts.at_least, facts.unit)
    if facts.reference is None:
        return percent(facts.at_least)
    return points(facts.at_least - facts.reference)
