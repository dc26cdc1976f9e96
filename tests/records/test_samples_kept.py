"""Samples: a few records a stream and checkpoint, clean and small."""

import json
from collections import Counter

import numpy as np
from record_building import CLOCK_MS, START_MS, Partition, batch, count, value

from monitor.records.samples import BUDGET_BYTES, MOST, cleaned
from monitor.records.sampling import record_hashes


def test_the_first_three_failures_and_two_others_are_kept_of_each_stream() -> None:
    values = [
        value(model=m, id=f"{m}{i}", status=s) for m in ("a", "b") for i in range(5) for s in ("ok", "error")
    ]
    counted = count(*values, value(model="c", status="rejected"))

    kept = [(counted.names.stream(s.stream).key, s.why, s.record_id) for s in counted.intake.samples]
    failures = [(m, "error", f"{m}{i}") for m in "ab" for i in range(3)]
    assert [k for k in kept if k[1] == "error"] == failures
    assert Counter(k[:2] for k in kept if k[1] == "random") == {
        ("a", "random"): 2,
        ("b", "random"): 2,
        ("c", "random"): 1,
    }


def test_the_others_are_chosen_by_hash_and_not_by_their_place() -> None:
    values = [value(id=str(i)) for i in range(1_000)]
    hashes = record_hashes("predictions", 0, np.arange(1_000))
    kept = {int(s.record_id) for s in count(*values).intake.samples}
    assert kept == set(np.argsort(hashes)[:2].tolist())


def test_the_quota_is_a_checkpoints_and_not_a_batchs() -> None:
    partition = Partition.make()
    for first in range(0, 10_000, 5_000):
        partition.aggregator.add(batch([value(status="error")] * 5_000, first), CLOCK_MS)
    assert [s.offset for s in partition.aggregator.take().samples] == [0, 1, 2]

    partition.aggregator.add(batch([value(status="timeout")], 10_000), CLOCK_MS)
    assert [s.offset for s in partition.aggregator.take().samples] == [10_000]


def test_a_sample_says_what_links_need_and_leaves_the_texts_out() -> None:
    texts = {"input": "secret", "output": "secret", "features": {"income": 1}, "error_message": "x" * 500}
    names = {"id": 7, "trace_id": "t\x001", "version": "v1", "segment": {"plan": "free"}}
    (sample,) = count(value(**texts, **names, status="error")).intake.samples

    assert (sample.record_id, sample.trace_id, sample.version) == ("7", "t1", "v1")
    assert (sample.why, sample.signal, sample.at_ms, sample.offset) == ("error", "error", START_MS, 0)
    record = json.loads(sample.record)
    assert record["error_message"] == "x" * 300
    assert record["segment"] == {"plan": "free"}
    assert not record.keys() & {"input", "output", "features"}


def test_a_sample_is_text_that_any_database_takes() -> None:
    poison = (
        b'{"model": "chat-eu", "a\\u0000": "b\\u0000\\ud800", "n": NaN, "i": 18446744073709551616,'
        b' "deep": {"a": {"b": {"c": {"d": 1}}}}, "x": ' + b"[" * 1_000 + b"]" * 1_000 + b"}"
    )
    (sample,) = count(poison).intake.samples

    assert "\x00" not in sample.record
    assert "\\u0000" not in sample.record
    record = json.loads(sample.record.encode())
    assert record["a"] == "b\ufffd"
    assert record["n"] is None
    assert record["i"] == "18446744073709551616"
    assert record["deep"] == {"a": {"b": {"c": "..."}}}


def test_a_sample_has_at_most_4_kib_of_whole_members() -> None:
    record = cleaned({f"field{i}": "y" * 300 for i in range(100)} | {"last": 1})
    assert len(record.encode()) <= 4_096
    assert json.loads(record)["last"] == 1


def test_samples_of_many_streams_are_bounded() -> None:
    counted = count(*(value(model=f"m{i}", status="error") for i in range(200)))
    assert len(counted.intake.samples) == MOST

    big = count(*(value(model=f"m{i}", status="error", note="z" * 10_000) for i in range(20)))
    assert 0 < len(big.intake.samples) <= BUDGET_BYTES // 10_000
