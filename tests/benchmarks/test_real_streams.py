"""The benchmark on real logs: what it builds, how it reckons evidence, and when it says that the promise held."""

import math
from pathlib import Path

import pytest

from benchmarks.real_data import Stream, streams
from benchmarks.real_streams import COLUMNS, Alarm, Evidence, Row, encoded, kl, measured, table

QUIET = [{"output_tokens": 1}] * 10
CHANGED = [{"output_tokens": 9}] * 5
STREAM = Stream("s", "longer answers", QUIET, CHANGED, ("output_tokens",))
STRONG = Evidence(n=500, kl=0.2, needed=30, block_records=2)
WEAK = Evidence(n=100, kl=0.2, needed=30, block_records=2)
FOUND = Alarm("length", "output_tokens", 12)
EARLY = Alarm("length", "output_tokens", 9)


def test_kl_is_that_of_two_coins():
    assert kl(0.5, 0.25) == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert kl(1.0, 0.5) == pytest.approx(math.log(2))
    assert kl(0.0, 0.5) == pytest.approx(math.log(2))
    assert kl(0.3, 0.3) == 0


@pytest.mark.parametrize(
    ("evidence", "alarms", "holds"),
    [
        (STRONG, (FOUND,), True),
        (STRONG, (), False),
        (STRONG, (Alarm("slow", "latency_ms", 12),), False),
        (WEAK, (), True),
        (WEAK, (FOUND,), True),
        (STRONG, (EARLY, FOUND), False),
        (STRONG, (EARLY,), False),
    ],
)
def test_enough_evidence_must_be_found_on_its_signal_and_nothing_may_alarm_before(evidence, alarms, holds):
    assert Row(STREAM, "output_tokens", evidence, alarms).holds is holds


def test_a_drift_of_the_quiet_parts_own_is_told_and_forgiven_on_that_signal_alone():
    drifting = Stream("s", "c", QUIET, CHANGED, ("output_tokens",), drifts_by_itself="output_tokens")
    forgiven = Row(drifting, "output_tokens", STRONG, (EARLY, FOUND))
    assert forgiven.holds
    assert "its own mix drift" in table([forgiven])
    assert not Row(drifting, "output_tokens", STRONG, (Alarm("slow", "latency_ms", 3), FOUND)).holds


def test_the_table_says_what_was_found_and_how_late():
    line = table([Row(STREAM, "output_tokens", STRONG, (FOUND,))]).splitlines()[2]
    cells = [cell.strip() for cell in line.strip("|").split(" | ")]
    assert len(cells) == len(COLUMNS)
    assert cells[2:10] == ["output_tokens", "500", "0.200", "100", "30", "2", "length (output_tokens)", "3"]


def test_records_are_evenly_spaced_so_that_a_block_of_five_minutes_holds_fifty():
    first, second = (line.split(b'"ts": ')[1].split(b",")[0] for line in encoded(QUIET[:2]))
    assert 300_000 / (int(second) - int(first)) <= 50


def test_the_data_sets_give_the_changes_that_their_readme_names(real_data: Path):
    made = {stream.name: stream for stream in streams(real_data)}
    assert {name: (len(s.quiet), len(s.changed)) for name, s in made.items()} == {
        "LLMDrift PRIME": (1000, 1000),
        "LLMDrift OPINIONQA": (1506, 1506),
        "LLMDrift HAPPYNUMBER": (500, 500),
        "LLMDrift HAPPYNUMBER gpt-4": (500, 500),
        "LLMDrift LEETCODE": (50, 50),
        "LLMDrift SENSITIVEQ": (100, 100),
        "language confusion": (2400, 2400),
        "confidence": (10_000, 10_000),
        "Azure conv, then code": (19_366, 8_819),
        "Azure code": (8_819, 0),
        "Mooncake": (12_031, 0),
        "Mooncake, small cache": (6_015, 6_016),
    }
    opinions = made["LLMDrift OPINIONQA"]
    invalid = [
        sum(not p["valid_output"] for p in part) / len(part) for part in (opinions.quiet, opinions.changed)
    ]
    assert invalid == pytest.approx([0.021, 0.76], abs=0.01)


def test_a_cache_that_was_cut_hits_far_less_often(real_data: Path):
    cut = next(stream for stream in streams(real_data) if stream.name == "Mooncake, small cache")
    hits = [sum(p["cache_hit"] for p in part) / len(part) for part in (cut.quiet, cut.changed)]
    assert hits == pytest.approx([0.36, 0.02], abs=0.01)


def test_a_change_that_no_limit_could_see_is_told_so():
    row = Row(STREAM, "output_tokens", None, ())
    assert "nothing: no limit was ready" in table([row])


def test_shorter_answers_of_a_real_model_are_found_and_nothing_before(real_data: Path):
    prime = next(stream for stream in streams(real_data) if stream.name == "LLMDrift PRIME")
    rows = measured(prime)
    assert [row.signal for row in rows] == ["output_tokens", "latency_ms"]
    assert all(row.evidence is not None and row.evidence.enough and row.found for row in rows)
    assert all(row.holds and not row.before for row in rows)
