"""The names of the contract, section 1, word for word; and docs/signals.md, which is made of the registry."""

from pathlib import Path

import pytest

from monitor.records.record import Record
from monitor.records.signals import (
    ASKED_ONLY,
    BY_CODE,
    BY_NAME,
    FIRST_USER_CODE,
    INTERNAL,
    MISSING,
    PLANNED,
    SIGNALS,
    Kind,
    Signal,
)

DOCS = Path(__file__).parents[2] / "docs" / "signals.md"
CONTRACT = {
    Kind.RATE: "error timeout rejected truncated empty_output abstained invalid_output fallback negative_feedback "
    "incorrect confidently_wrong stale_cache wrong_language inconsistent cold_start late",
    Kind.DISTRIBUTION: "input_tokens output_tokens input_chars output_chars confidence score latency_ms ttft_ms "
    "memory_bytes cost_usd batch_size abs_error",
    Kind.CATEGORY: "input_language output_language finish_reason error_type prediction version",
    Kind.TRAFFIC: "requests",
}
TABLE = """
model version prompt_version id trace_id user ts status error_type error_message input output input_tokens
output_tokens input_language output_language expected_language confidence abstained finish_reason latency_ms ttft_ms
memory_bytes cost_usd batch_size cache_hit cached_version cold_start fallback valid_output prediction score label
correct features rating segment sample_rate
"""
FIELDS = TABLE.split()


@pytest.mark.parametrize("kind", CONTRACT)
def test_every_signal_of_the_contract_is_measured_and_there_are_no_others(kind: Kind) -> None:
    registered = [s.name for s in SIGNALS if s.kind is kind and not s.name.startswith(MISSING)]
    assert sorted(registered) == sorted(CONTRACT[kind].split())


def test_every_field_but_the_model_may_be_missing() -> None:
    missing = {s.name: s.field for s in SIGNALS if s.name.startswith(MISSING)}
    assert missing == {f"missing.{field}": field for field in FIELDS if field != "model"}


def test_nothing_of_the_contract_is_still_to_come() -> None:
    assert PLANNED == ()


def test_records_are_decoded_into_fields_of_the_contract_only() -> None:
    assert set(Record.__struct_fields__) - set(FIELDS) == {"type"}


def test_codes_are_unique_and_leave_room_for_users() -> None:
    assert len(BY_CODE) == len(BY_NAME) == len(SIGNALS)
    assert max(BY_CODE) < FIRST_USER_CODE


def test_internal_signals_have_codes_of_their_own_and_cannot_be_named() -> None:
    codes = [signal.code for signal in INTERNAL]
    assert len(set(codes)) == len(codes)
    assert not {*codes} & {*BY_CODE}
    assert max(codes) < FIRST_USER_CODE
    assert not {signal.name for signal in INTERNAL} & {*BY_NAME}


def row(signal: Signal) -> str:
    """A line of the table; signals that are counted only where asked for have a star."""
    star = "*" if signal.name in ASKED_ONLY else ""
    cells = (f"`{signal.name}`{star}", signal.kind, signal.unit, signal.of, signal.bad, signal.meaning)
    return f"| {' | '.join(cells)} |"


def test_the_table_of_the_docs_is_the_registry() -> None:
    lines = DOCS.read_text().splitlines()
    start = lines.index("| signal | kind | unit | counts | bad | meaning |")
    table = [line for line in lines[start + 2 :] if line.startswith("| `")]
    assert table == [row(signal) for signal in SIGNALS]
