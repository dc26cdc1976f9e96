"""Rules for the signals that a log feeds, with limits out of its own rates and percentiles."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from monitor.cli.init.proposing import Proposal
from monitor.cli.init.silence import MOST_MS
from monitor.cli.inspect.study import Seen
from monitor.cli.reaching import DAY_MS
from monitor.cli.rounding import milliseconds, percent, round_up
from monitor.ledger.wording import amount
from monitor.ledger.wording import percent as in_words

_MOST_CRITICAL: Final = 0.5
_LEAST_CRITICAL: Final = 0.1
_FEW_CLASSES: Final = 50
_LEAST_LANGUAGES: Final = 50
_ON_EVENTS: Final = {
    "fallback": "the fallback answers",
    "invalid_output": "answers fail your own validation",
    "abstained": "the model withholds its prediction",
    "cold_start": "requests meet a cold start",
    "stale_cache": "the cache serves an older version",
}


@dataclass(frozen=True, slots=True)
class Proposed:
    """A rule as it stands in alerts.yaml, and what to know about it."""

    why: str
    rule: dict[str, Any]


def rules(proposal: Proposal) -> list[Proposed]:
    """All rules that the log can feed, those about failures first."""
    return [found for make in _MAKERS for found in make(proposal)]


def _seen(proposal: Proposal, name: str) -> Seen | None:
    return proposal.study.seen.get(name)


def _errors(proposal: Proposal) -> Iterator[Proposed]:
    error = _seen(proposal, "error")
    outcome = proposal.study.outcome
    if error is None or not any(outcome.given(f) for f in ("status", "error_type", "error_message")):
        return
    critical = max(_LEAST_CRITICAL, round_up(max(5 * error.usual, 1e-6)))
    limit: Any = {"warning": "2x", "critical": percent(critical)} if critical <= _MOST_CRITICAL else "2x"
    yield Proposed(
        f"Errors and timeouts: {in_words(error.rate)} here. Twice the odds of that is a warning.",
        {"name": "errors", "signal": "error", "above": limit},
    )
    rejected = _seen(proposal, "rejected")
    if rejected is not None and rejected.k:
        yield Proposed(
            f"Requests refused as the caller's fault: {in_words(rejected.rate)} here.",
            {"name": "rejected", "signal": "rejected", "above": "3x", "severity": "info"},
        )


def _answers(proposal: Proposal) -> Iterator[Proposed]:
    length = _seen(proposal, "output_tokens") or _seen(proposal, "output_chars")
    if length is not None:
        yield _drift(length, "length", "Answers get longer or shorter", "1.5x")
    truncated = _seen(proposal, "truncated")
    if truncated is not None and proposal.study.outcome.given("finish_reason"):
        yield _more(truncated, "truncated", "Answers cut off by the length limit")
    empty = _seen(proposal, "empty_output")
    if empty is not None and proposal.study.outcome.given("output"):
        yield _more(empty, "empty", "Answers without text")


def _languages(proposal: Proposal) -> Iterator[Proposed]:
    spoken = _seen(proposal, "output_language")
    if spoken is not None and spoken.n >= _LEAST_LANGUAGES:
        yield Proposed(
            f"Answers in another mix of languages than here: {_commonest(spoken)}.",
            {"name": "language", "signal": "output_language", "drift": "both", "tolerance": "2x"},
        )
    wrong = _seen(proposal, "wrong_language")
    if wrong is not None and wrong.n >= _LEAST_LANGUAGES:
        yield _more(wrong, "wrong_language", "Answers in another language than the record expects")


def _sureness(proposal: Proposal) -> Iterator[Proposed]:
    confidence = _seen(proposal, "confidence")
    if confidence is not None:
        yield Proposed(
            f"The model grows unsure: confidence was {_spread(confidence)} (p1, p50, p99).",
            {
                "name": "confidence",
                "signal": "confidence",
                "drift": "down",
                "tolerance": {"warning": "10pp", "critical": "30pp"},
            },
        )
    score = _seen(proposal, "score")
    if score is not None:
        yield _drift(score, "score", "Scores move", "10pp")
    classes = _seen(proposal, "prediction")
    if classes is not None and classes.distinct <= _FEW_CLASSES:
        yield Proposed(
            f"Another mix of predictions than here: {_commonest(classes)}.",
            {"name": "prediction", "signal": "prediction", "drift": "both", "tolerance": "2x"},
        )


def _speed(proposal: Proposal) -> Iterator[Proposed]:
    latency = _seen(proposal, "latency_ms")
    if latency is not None:
        yield Proposed(
            f"The slowest hundredth of answers gets slower: p99 was {amount(latency.at(0.99), 'ms')}.",
            {"name": "slow", "signal": "latency_ms", "quantile": "p99", "above": "1.5x"},
        )
        if latency.usual > 0:
            yield Proposed(
                f"A ceiling, whatever is usual: twice the p95 of most of this log, {amount(latency.usual, 'ms')}.",
                {
                    "name": "ceiling",
                    "signal": "latency_ms",
                    "quantile": "p95",
                    "above": milliseconds(round_up(2 * latency.usual)),
                },
            )
    first = _seen(proposal, "ttft_ms")
    if first is not None:
        yield Proposed(
            f"Answers begin later: p95 to the first token was {amount(first.at(0.95), 'ms')}.",
            {"name": "first_token", "signal": "ttft_ms", "quantile": "p95", "above": "1.5x"},
        )


def _people(proposal: Proposal) -> Iterator[Proposed]:
    bad = _seen(proposal, "negative_feedback")
    if bad is not None:
        yield _more(bad, "feedback", "Bad ratings")
    wrong = _seen(proposal, "incorrect")
    if wrong is not None:
        yield _more(wrong, "incorrect", "Wrong predictions, where the truth is known")


def _events(proposal: Proposal) -> Iterator[Proposed]:
    for name, what in _ON_EVENTS.items():
        seen = _seen(proposal, name)
        if seen is not None and seen.k:
            yield _more(seen, name, f"More often than usual {what}")


def _costs(proposal: Proposal) -> Iterator[Proposed]:
    cost = proposal.study.columns.number("cost_usd")
    span_ms = proposal.study.span_ms
    if cost is None or "cost_usd" not in proposal.study.seen or not span_ms:
        return
    a_day = float(cost[cost == cost].sum()) * DAY_MS / max(span_ms, DAY_MS / 24)
    if a_day > 0:
        yield Proposed(
            f"A sum over a sliding day, outside the promise. This log comes to {amount(a_day, 'USD')} a day.",
            {"name": "spend", "signal": "cost_usd", "total": "1d", "above": round_up(2 * a_day)},
        )


def _silence(proposal: Proposal) -> Iterator[Proposed]:
    yield Proposed(
        f"Nothing comes at all: five times the longest pause of {_whose(proposal)} in this log, at least two minutes.",
        proposal.silence.rule,
    )


def _whose(proposal: Proposal) -> str:
    return "the busiest models" if proposal.silence.absent_ms == MOST_MS else "each model"


def _drift(seen: Seen, name: str, what: str, tolerance: str) -> Proposed:
    return Proposed(
        f"{what}: {_spread(seen)} (p1, p50, p99). A larger tolerance is calmer.",
        {"name": name, "signal": seen.signal.name, "drift": "both", "tolerance": tolerance},
    )


def _more(seen: Seen, name: str, what: str) -> Proposed:
    return Proposed(
        f"{what}: {in_words(seen.rate)} here.", {"name": name, "signal": seen.signal.name, "above": "2x"}
    )


def _spread(seen: Seen) -> str:
    return ", ".join(amount(seen.at(q), seen.signal.unit) for q in (0.01, 0.5, 0.99))


def _commonest(seen: Seen) -> str:
    some = [f"{name} {in_words(share)}" for name, share in list(seen.shares.items())[:3]]
    return ", ".join(" ".join(words.split()) for words in some)


_MAKERS: Final[tuple[Callable[[Proposal], Iterator[Proposed]], ...]] = (
    _errors,
    _answers,
    _languages,
    _sureness,
    _speed,
    _people,
    _events,
    _costs,
    _silence,
)
