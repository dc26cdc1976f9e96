"""What the fields of a record are called in logs of other people, most telling name first."""

import re
from collections.abc import Mapping
from typing import Final

SYNONYMS: Final[Mapping[str, str]] = {
    "model": "model model_name model_id model_group deployment deployment_name scorer predictor engine "
    "endpoint_name inference_service served_model service_name service",
    "version": "version model_version release model_release deployment_version revision model_revision variant",
    "prompt_version": "prompt_version prompt_template_version prompt_id template_version prompt_name",
    "id": "id request_id prediction_id inference_id call_id event_id req_id uuid guid correlation_id",
    "trace_id": "trace_id trace",
    "user": "user user_id end_user customer_id client_id account_id session_id",
    "ts": "ts completed_at finished_at ended_at end_time finished completed end finish_time done_at logged_at "
    "timestamp event_time time datetime created_at created date at request_time started_at start_time start",
    "status": "status outcome result status_code http_status response_status response_code success ok succeeded "
    "is_error failed error state",
    "error_type": "error_type exception error_class exception_type error_code error_kind error_name",
    "error_message": "error_message error exception_message err error_detail error_str reason",
    "input": "input prompt question query input_text user_message request_text messages instruction",
    "output": "output response answer completion generation output_text generated_text reply response_text "
    "choices/0/message/content choices/0/text text content",
    "input_tokens": "input_tokens prompt_tokens tokens_in n_input_tokens num_input_tokens input_token_count "
    "prompt_token_count context_tokens input_length prompt_length tokens_prompt",
    "output_tokens": "output_tokens completion_tokens tokens_out n_output_tokens num_output_tokens answer_token "
    "output_token_count candidates_token_count generated_tokens output_length completion_length answer_tokens "
    "tokens_completion",
    "input_language": "input_language input_lang prompt_language",
    "output_language": "output_language output_lang response_language answer_language",
    "expected_language": "expected_language language lang locale user_language",
    "confidence": "confidence conf max_prob max_probability certainty top_prob prediction_confidence",
    "score": "score probability proba prob risk_score prediction_score p predicted_probability",
    "prediction": "prediction predicted predicted_class predicted_label prediction_class decision verdict class "
    "y_pred output_class label_predicted",
    "label": "label actual ground_truth truth target y_true true_label actual_label",
    "correct": "correct is_correct was_correct",
    "rating": "rating user_rating feedback stars thumbs feedback_score",
    "abstained": "abstained abstain refused no_answer",
    "finish_reason": "finish_reason stop_reason finish completion_reason choices/0/finish_reason",
    "latency_ms": "latency latency_total total_latency duration elapsed elapsed_time response_time took "
    "processing_time inference_time request_duration runtime time_taken wall_time",
    "ttft_ms": "ttft time_to_first_token first_token_latency time_to_first_chunk",
    "memory_bytes": "memory_bytes memory rss_bytes max_rss_bytes memory_used_bytes",
    "cost_usd": "cost_usd cost total_cost response_cost price cost_total",
    "batch_size": "batch_size n_batch batch",
    "cache_hit": "cache_hit cached from_cache is_cached",
    "cached_version": "cached_version",
    "cold_start": "cold_start is_cold_start coldstart",
    "fallback": "fallback is_fallback used_fallback",
    "valid_output": "valid_output valid is_valid schema_valid output_valid",
    "sample_rate": "sample_rate sampling_rate",
    "features": "features feature_values inputs",
}
"""By field of a record; a name with `/` is the end of a path."""

SEGMENTS: Final = (
    "region",
    "country",
    "tenant",
    "team",
    "channel",
    "provider",
    "environment",
    "env",
    "market",
)

TIMES: Final = ("ts", "latency_ms", "ttft_ms")
_UNITS: Final = {
    "ms": "ms", "millis": "ms", "msec": "ms", "msecs": "ms", "milliseconds": "ms",
    "s": "s", "sec": "s", "secs": "s", "seconds": "s",
    "us": "us", "micros": "us", "usec": "us", "microseconds": "us",
    "ns": "ns", "nanos": "ns", "nanoseconds": "ns",
}  # fmt: skip


def snake(key: str) -> str:
    """`totalLatencyMs`, `total-latency.ms` and `TotalLatencyMS` are `total_latency_ms`."""
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", key)
    return re.sub(r"[^a-z0-9]+", "_", parted.lower()).strip("_")


def with_unit(name: str) -> tuple[str, str | None]:
    """A name in snake case without the unit at its end, and that unit.

    >>> with_unit("duration_millis"), with_unit("latency")
    (('duration', 'ms'), ('latency', None))
    """
    stem, _, last = name.rpartition("_")
    return (stem, _UNITS[last]) if stem and last in _UNITS else (name, None)


def ranks(path: tuple[str, ...], field: str) -> tuple[int, str | None] | None:
    """How well a path's name fits `field`, 0 best, and the unit that it names; None where it does not."""
    keys = [snake(key.rpartition(".")[2]) for key in path]
    names = SYNONYMS[field].split()
    stem, unit = with_unit(keys[-1]) if field in TIMES else (keys[-1], None)
    for rank, name in enumerate(names):
        ends = name.split("/")
        if [*keys[:-1], stem][-len(ends) :] == ends or keys[-len(ends) :] == ends:
            return rank, unit
    return None
