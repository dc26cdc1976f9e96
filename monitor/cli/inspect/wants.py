"""What each detector needs of a record, in one table: for what a log lacks, and for the rules that it can have."""

from dataclasses import dataclass
from typing import Final

from monitor.cli.inspect.study import Study


@dataclass(frozen=True, slots=True)
class Want:
    """What is not seen without any of `signals`, and the `fields` that feed them."""

    signals: tuple[str, ...]
    fields: str
    unseen: str


WANTS: Final = (
    Want(("error_type", "timeout", "rejected"), "status, error_type", "failures and timeouts"),
    Want(("latency_ms",), "latency_ms", "answers that get slow"),
    Want(
        ("output_tokens", "output_chars", "prediction", "score"),
        "output_tokens or prediction",
        "answers that change",
    ),
    Want(("output_language",), "output or output_language", "answers in another language"),
    Want(("confidence",), "confidence", "a model that grows unsure"),
    Want(("truncated",), "finish_reason", "answers that are cut off"),
    Want(("negative_feedback",), "rating", "users who are not content"),
    Want(("incorrect",), "correct, or label and prediction", "wrong answers"),
    Want(("cost_usd",), "cost_usd", "what it costs"),
)


def lacking(study: Study) -> list[Want]:
    """What this log does not feed."""
    return [want for want in WANTS if not any(_fed(study, signal) for signal in want.signals)]


def _fed(study: Study, signal: str) -> bool:
    if signal in ("timeout", "rejected"):
        return study.outcome.given("status") > 0
    return signal in study.seen
