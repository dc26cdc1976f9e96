"""The registry of signals: one row each, read by measuring, checking, SQL, metrics and docs."""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final

from detectors.buckets import LOG, LOGIT, Scale


class Kind(StrEnum):
    """Three kinds of signal, so three mergeable statistics; the last three are for views of their own."""

    RATE = "rate"
    DISTRIBUTION = "distribution"
    CATEGORY = "category"
    TRAFFIC = "traffic"
    CALIBRATION = "calibration"
    LABELS = "labels"
    USERS = "users"


class Of(StrEnum):
    """Which predictions a signal counts."""

    ALL = "all"
    OK = "ok"
    TRIED = "ok, error or timeout"
    ANSWERED = "ok or timeout"
    FAILED = "error or timeout"
    RATED = "rated"
    LABELLED = "labelled"
    SAMPLED = "ok, sampled by hash"


class Side(StrEnum):
    """A direction of change."""

    UP = "up"
    DOWN = "down"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing measured on a record.

    `code` is stored and never changes. `bad` is the direction that users worry about.
    """

    code: int
    name: str
    kind: Kind
    unit: str
    field: str
    of: Of
    bad: Side
    meaning: str

    @property
    def scale(self) -> Scale | None:
        """The fixed buckets of a distribution."""
        if self.kind is not Kind.DISTRIBUTION:
            return None
        return LOGIT if self.unit == "probability" else LOG


def _rates() -> list[Signal]:
    rows = [
        (1, "error", "status", Of.TRIED, "requests that ended in error or timeout"),
        (2, "timeout", "status", Of.TRIED, "requests that ended in timeout"),
        (3, "rejected", "status", Of.ALL, "requests refused as the caller's fault"),
        (
            4,
            "truncated",
            "finish_reason",
            Of.OK,
            "answers cut off by the limit: `length`, `max_tokens`",
        ),
        (5, "empty_output", "output", Of.OK, "answers without text"),
        (6, "abstained", "abstained", Of.OK, "predictions withheld"),
        (7, "invalid_output", "valid_output", Of.OK, "answers that fail the service's own validation"),
        (8, "fallback", "fallback", Of.ALL, "requests served by the fallback"),
        (9, "negative_feedback", "rating", Of.RATED, "bad ratings"),
        (10, "incorrect", "correct", Of.LABELLED, "wrong predictions"),
        (11, "confidently_wrong", "correct", Of.LABELLED, "wrong predictions with confidence of 0.9 or more"),
        (12, "wrong_language", "expected_language", Of.SAMPLED, "answers in another language than expected"),
        (13, "cold_start", "cold_start", Of.ALL, "requests that met a cold start"),
        (14, "late", "ts", Of.ALL, "records that came after their pane had closed"),
        (15, "stale_cache", "cached_version", Of.ALL, "cache hits of another version than the one serving"),
        (16, "inconsistent", "input", Of.OK, "repeated inputs that got another answer from the same version"),
    ]
    return [Signal(c, n, Kind.RATE, "share", f, of, Side.UP, why) for c, n, f, of, why in rows]


def _distributions() -> list[Signal]:
    rows = [
        (32, "input_tokens", "tokens", Of.OK, Side.BOTH, "length of the input"),
        (33, "output_tokens", "tokens", Of.OK, Side.BOTH, "length of the answer"),
        (34, "input_chars", "characters", Of.OK, Side.BOTH, "length of the input text"),
        (35, "output_chars", "characters", Of.OK, Side.BOTH, "length of the answer's text"),
        (36, "confidence", "probability", Of.OK, Side.DOWN, "confidence of the prediction given"),
        (37, "score", "probability", Of.OK, Side.BOTH, "score of a classifier"),
        (38, "latency_ms", "ms", Of.ANSWERED, Side.UP, "time to the whole answer"),
        (39, "ttft_ms", "ms", Of.OK, Side.UP, "time to the first token"),
        (40, "memory_bytes", "bytes", Of.ALL, Side.UP, "memory used"),
        (41, "cost_usd", "USD", Of.ALL, Side.UP, "cost of a prediction"),
        (42, "batch_size", "requests", Of.ALL, Side.BOTH, "requests served together"),
        (43, "abs_error", "units", Of.LABELLED, Side.UP, "distance between prediction and label"),
    ]
    fields = {"input_chars": "input", "output_chars": "output", "abs_error": "label"}
    return [
        Signal(c, n, Kind.DISTRIBUTION, u, fields.get(n, n), of, bad, why) for c, n, u, of, bad, why in rows
    ]


def _categories() -> list[Signal]:
    rows = [
        (64, "input_language", "input", Of.SAMPLED, "language of the input"),
        (65, "output_language", "output", Of.SAMPLED, "language of the answer"),
        (66, "finish_reason", "finish_reason", Of.OK, "why the answer ended"),
        (67, "error_type", "error_type", Of.TRIED, "kind of failure"),
        (68, "prediction", "prediction", Of.OK, "class predicted"),
        (69, "version", "version", Of.ALL, "version that answered"),
    ]
    return [Signal(c, n, Kind.CATEGORY, "share", f, of, Side.BOTH, why) for c, n, f, of, why in rows]


def _missing() -> list[Signal]:
    rows = [
        (128, "version", Of.ALL),
        (129, "prompt_version", Of.ALL),
        (130, "id", Of.ALL),
        (131, "trace_id", Of.ALL),
        (132, "user", Of.ALL),
        (133, "ts", Of.ALL),
        (134, "status", Of.ALL),
        (135, "error_type", Of.FAILED),
        (136, "error_message", Of.FAILED),
        (137, "input", Of.ALL),
        (138, "output", Of.OK),
        (139, "input_tokens", Of.OK),
        (140, "output_tokens", Of.OK),
        (141, "input_language", Of.OK),
        (142, "output_language", Of.OK),
        (143, "expected_language", Of.OK),
        (144, "confidence", Of.OK),
        (145, "abstained", Of.OK),
        (146, "finish_reason", Of.OK),
        (147, "latency_ms", Of.ANSWERED),
        (148, "ttft_ms", Of.OK),
        (149, "memory_bytes", Of.ALL),
        (150, "cost_usd", Of.ALL),
        (151, "batch_size", Of.ALL),
        (152, "cache_hit", Of.ALL),
        (153, "cached_version", Of.ALL),
        (154, "cold_start", Of.ALL),
        (155, "fallback", Of.ALL),
        (156, "valid_output", Of.OK),
        (157, "prediction", Of.OK),
        (158, "score", Of.OK),
        (159, "label", Of.OK),
        (160, "correct", Of.OK),
        (161, "features", Of.ALL),
        (162, "rating", Of.OK),
        (163, "segment", Of.ALL),
        (164, "sample_rate", Of.ALL),
    ]
    of_hits = {"cached_version": "cache hits without `cached_version`"}
    return [missing(c, f, f, of, of_hits.get(f, f"records without `{f}`")) for c, f, of in rows]


def missing(code: int, name: str, field: str, of: Of, meaning: str) -> Signal:
    """The rate of records that have no usable `field`, called `missing.<name>`."""
    return Signal(code, f"{MISSING}{name}", Kind.RATE, "share", field, of, Side.UP, meaning)


def _calibration() -> tuple[Signal, ...]:
    """One a bin of confidence: of its labelled predictions those that are right, with the sum of confidence."""
    edges = [f"{bin_ / CALIBRATION_BINS:.2f}" for bin_ in range(CALIBRATION_BINS + 1)]
    return tuple(
        Signal(
            _FIRST_CALIBRATION + i,
            f"calibration.{low}",
            Kind.CALIBRATION,
            "share",
            "correct",
            Of.LABELLED,
            Side.BOTH,
            f"right predictions with confidence from {low} to {high}",
        )
        for i, (low, high) in enumerate(pairwise(edges))
    )


MISSING: Final = "missing."
CALIBRATION_BINS: Final = 20
_FIRST_CALIBRATION: Final = 96
FIRST_USER_CODE: Final = 1_024
"""Codes from here to 32,767 are for signals of users: see `user_signals`."""

SIGNALS: Final[tuple[Signal, ...]] = (
    Signal(0, "requests", Kind.TRAFFIC, "requests", "", Of.ALL, Side.BOTH, "predictions counted"),
    *_rates(),
    *_distributions(),
    *_categories(),
    *_missing(),
)
ALL_USERS: Final = 117
FAILED_USERS: Final = 118

INTERNAL: Final = (
    *_calibration(),
    Signal(
        116,
        "labels.unmatched",
        Kind.LABELS,
        "share",
        "label",
        Of.LABELLED,
        Side.UP,
        "labels that came later and count nowhere, since their prediction is not known",
    ),
    Signal(
        ALL_USERS, "users", Kind.USERS, "users", "user", Of.ALL, Side.BOTH, "users, by the smallest hashes"
    ),
    Signal(
        FAILED_USERS,
        "users.failed",
        Kind.USERS,
        "users",
        "user",
        Of.FAILED,
        Side.UP,
        "users whose requests failed, by the smallest hashes",
    ),
)
"""Counted for views of their own: they have codes and rows in the ledger, and rules cannot name them."""

BY_NAME: Final[dict[str, Signal]] = {s.name: s for s in SIGNALS}
BY_CODE: Final[dict[int, Signal]] = {s.code: s for s in SIGNALS}

ASKED_ONLY: Final[frozenset[str]] = frozenset(
    {"inconsistent", *(s.name for s in SIGNALS if s.name.startswith(MISSING))}
)
"""Signals that cost time or rows of their own, so they are counted only where a rule reads them."""

# Signals of the contract that no code measures yet: there are none.
PLANNED: Final[tuple[str, ...]] = ()

UNKNOWN_CATEGORY: Final = 0
OTHER_CATEGORY: Final = 1
FIRST_CATEGORY: Final = 2
OTHER_STREAM: Final = 0
WHOLE: Final = 0
