"""The fields of the prediction record in words: one line each, read by the docs and by `inspect`."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Final

from monitor.records.record import FEATURES, ID, MODEL, SEGMENT, TRACE_ID
from monitor.records.signals import MISSING, SIGNALS


@dataclass(frozen=True, slots=True)
class Field:
    """What a field means; `feeds` are signals beside those whose own field it is."""

    name: str
    meaning: str
    unit: str = ""
    feeds: tuple[str, ...] = ()

    @property
    def signals(self) -> tuple[str, ...]:
        """All signals that read it, but for `missing.<name>`."""
        own = (s.name for s in SIGNALS if s.field == self.name and not s.name.startswith(MISSING))
        return tuple(dict.fromkeys((*own, *self.feeds)))


_JUDGED: Final = ("incorrect", "confidently_wrong")
_PREDICTION: Final = (
    Field(MODEL, "the model that answered; it makes the stream, unless `streams.by` says more"),
    Field(
        "version",
        "its version; a missing one is `(none)` and never a new version",
        feeds=("stale_cache", "inconsistent"),
    ),
    Field("prompt_version", "version of the prompt, for `streams.by` and `streams.slices`"),
    Field(ID, "name of the request, by which labels and feedback find it"),
    Field(TRACE_ID, "trace of the request, for links in messages; samples are drawn by whole traces"),
    Field("user", "who asked; only distinct users are counted, and it is hashed before it is stored"),
    Field("ts", "time of completion, not of the start; absent: Kafka's timestamp"),
    Field(SEGMENT, "what else tells requests apart; `segment.country` goes into `streams.by` or `slices`"),
    Field("sample_rate", "share of the requests that are logged; it changes no count"),
    Field(
        "type",
        "`label` or `feedback`: it adds to an earlier prediction; absent or another: a prediction",
        feeds=("negative_feedback", *_JUDGED, "abs_error"),
    ),
)
_COURSE: Final = (
    Field(
        "status", "how it ended; absent: `error` where `error_type` or `error_message` is there, else `ok`"
    ),
    Field("error_type", "short name of the failure, such as `RateLimitError`", feeds=("error",)),
    Field("error_message", "its text; samples keep it scrubbed", feeds=("error",)),
    Field("latency_ms", "time to the whole answer; counted of answers and timeouts", "ms"),
    Field("ttft_ms", "time to the first token", "ms"),
    Field("memory_bytes", "memory used", "bytes"),
    Field("cost_usd", "cost of the prediction", "USD"),
    Field("batch_size", "requests that were served together", "requests"),
    Field("cold_start", "whether it met a cold start"),
    Field(
        "fallback",
        "whether something else than the model served it; it counts in `requests` and `fallback` alone",
    ),
    Field("cache_hit", "whether the answer came from a cache", feeds=("stale_cache",)),
    Field("cached_version", "of a cache hit: the version that made the answer"),
)
_ANSWER: Final = (
    Field("input", "text that the model was given; kept in samples only with `samples.text`"),
    Field(
        "output",
        "text of the answer; one without visible characters is empty",
        feeds=("wrong_language", "inconsistent"),
    ),
    Field("input_tokens", "length of the input", "tokens"),
    Field("output_tokens", "length of the answer; 0 is an empty one", "tokens", ("empty_output",)),
    Field("input_language", "ISO 639-1; absent: told from `input`", feeds=("input_language",)),
    Field(
        "output_language",
        "ISO 639-1; absent: told from `output`",
        feeds=("output_language", "wrong_language"),
    ),
    Field("expected_language", "ISO 639-1: in which language the answer should be"),
    Field("finish_reason", "why the answer ended: `stop`, `length`, `content_filter`, `tool_calls`, ..."),
    Field("valid_output", "whether the answer passed the service's own validation"),
)
_VERDICT: Final = (
    Field(
        "prediction",
        "the class, or the number, that was predicted; numbers with a fraction are no classes",
        feeds=(*_JUDGED, "abs_error", "inconsistent"),
    ),
    Field("score", "score of a classifier"),
    Field("confidence", "of the prediction given, not of another class", feeds=("confidently_wrong",)),
    Field("abstained", "whether the prediction was withheld"),
    Field(FEATURES, "what the model was given, for signals of your own", feeds=("inconsistent",)),
    Field("label", "the truth, once it is known; of the same kind as `prediction`", feeds=_JUDGED),
    Field("correct", "whether the prediction was right; it goes before `label`"),
    Field("rating", "what a user thought of it; bad below `feedback.bad_below`"),
)
SUBJECTS: Final[Mapping[str, tuple[Field, ...]]] = {
    "Which prediction": _PREDICTION,
    "How it went": _COURSE,
    "Texts and answers": _ANSWER,
    "Predictions and the truth": _VERDICT,
}
"""All fields by subject, in the order of the page."""

FIELDS: Final[Mapping[str, Field]] = {field.name: field for field in chain.from_iterable(SUBJECTS.values())}
