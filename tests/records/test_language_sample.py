"""The language of answers: detection, and a sample that is exact however its records are split."""

import csv
import gzip
import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from record_building import CLOCK_MS, ENGLISH, GERMAN, START_MS, Partition, batch, count, detector, value

from monitor.records.delta import PANE_MS, Languages
from monitor.records.fold import bottom, fold
from monitor.records.language import LanguageDetector, language_code
from monitor.records.names import Names
from monitor.records.sampling import LanguageSampler, record_hashes
from monitor.records.settings import MeasureSettings, SampleSettings
from monitor.records.signals import BY_NAME

OUTPUT = BY_NAME["output_language"].code
INPUT = BY_NAME["input_language"].code


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (GERMAN, "de"),
        (ENGLISH, "en"),
        ("Votre colis a quitté notre entrepôt\nce matin et devrait\r\nvous parvenir vendredi.", "fr"),
        ("お荷物は今朝倉庫を出発しました。", "ja"),
        ("您的包裹今天早上已经发出", "zh"),
        ("안녕하세요, 주문하신 물건이 발송되었습니다", "ko"),
        ("Ваша посылка отправлена сегодня утром и прибудет в пятницу.", "ru"),
        (f"{GERMAN}\n```python\nfor item in parcels: ship(item, today=True)\nprint(len(parcels))\n```", "de"),
        (f"<p class='answer'>{GERMAN}</p> https://example.org/en/where-is-my-parcel", "de"),
        ("Na\ud83dtürlich, Ihre Bestellung ist heute Morgen verschickt worden.", "de"),
        ("", ""),
        ("   \n", ""),
        ("ok", ""),
        ("Ja, gern.", ""),
        ("42 117 9000 33 12 2024 1 2 3", ""),
        ("for (int i = 0; i < n; i++) { sum += a[i]; } x[0] = y->z;", ""),
        ("https://example.org/where/is/my/parcel/today", ""),
        ("qwx zzkj vvbn plmk xqzt wwrr kkjh ppqs", ""),
    ],
)
def test_languages_are_told_from_prose_and_what_is_none_is_unknown(text: str, language: str) -> None:
    assert detector().detect(text) == language


@pytest.mark.parametrize(
    ("given_code", "code"),
    [
        *[("de", "de"), ("DE", "de"), ("de-CH", "de"), ("pt_BR", "pt"), (" en ", "en"), ("nb", "no")],
        *[("zh-Hant-TW", "zh"), ("German", ""), ("", ""), ("d", ""), ("42", "")],
    ],
)
def test_given_languages_are_iso_639_1(given_code: str, code: str) -> None:
    assert language_code(given_code) == code


def languages_of(partition: Partition) -> list[tuple[str, int]]:
    rows = partition.aggregator.take().delta.languages
    names = [
        partition.names.category(s, g, b)
        for s, g, b in zip(rows.stream.tolist(), rows.signal.tolist(), rows.bucket.tolist(), strict=True)
    ]
    return sorted(zip(names, rows.wrong.tolist(), strict=True))


def test_wrong_is_told_only_where_a_language_was_expected_and_one_is_known() -> None:
    partition = Partition.make()
    values = [
        value(output=GERMAN, expected_language="de"),
        value(output=GERMAN, expected_language="en"),
        value(output=GERMAN),
        value(output="ok", expected_language="de"),
        value(output=GERMAN, output_language="fr-CA", expected_language="fr"),
        value(output=GERMAN, output_language="German", expected_language="Deutsch"),
        value(output_language="ceb"),
        value(output=GERMAN, status="error"),
        value(latency_ms=3),
    ]
    partition.aggregator.add(batch(values), CLOCK_MS)

    assert languages_of(partition) == [
        ("(unknown)", -1), ("ceb", -1), ("de", -1), ("de", -1), ("de", 0), ("de", 1), ("fr", 0),
    ]  # fmt: skip
    assert partition.aggregator.dropped == {"output_language": 1, "expected_language": 1}


def test_inputs_are_looked_at_only_when_a_rule_asks() -> None:
    asked = count(value(input=ENGLISH, output=GERMAN), settings=MeasureSettings(input_language=True))
    unasked = count(value(input=ENGLISH, output=GERMAN))

    assert sorted(asked.intake.delta.languages.signal.tolist()) == [INPUT, OUTPUT]
    assert unasked.intake.delta.languages.signal.tolist() == [OUTPUT]


def test_a_records_hash_depends_on_topic_partition_and_offset() -> None:
    offsets = np.arange(1_000)
    hashes = [record_hashes(t, p, offsets) for t, p in (("a", 0), ("a", 1), ("b", 0))]

    assert len(set(np.concatenate(hashes).tolist())) == 3_000
    assert record_hashes("a", 0, np.array([7]))[0] == hashes[0][7]
    shares = np.bincount((hashes[0] >> np.uint64(61)).astype(int), minlength=8)
    assert shares.min() > 80


SMALL = 5


def sampled(sampler: LanguageSampler, names: Names, number: int, parts: list[list[bytes]]) -> list[Languages]:
    partition = Partition.make(names=names, sampler=sampler, number=number)
    found, first = [], 0
    for part in parts:
        partition.aggregator.add(batch(part, first), CLOCK_MS)
        found.append(partition.aggregator.take().delta.languages)
        first += len(part)
    return found


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.integers(0, 2), max_size=30), min_size=2, max_size=3),
    st.lists(st.integers(1, 29), max_size=4),
    st.booleans(),
)
def test_the_merged_sample_is_the_bottom_of_all_however_it_is_split(
    panes: list[list[int]], cuts: list[int], shared: bool
) -> None:
    class Fixed(LanguageDetector):
        def detect(self, text: str) -> str:
            return "de"

    logs = [[value(output=GERMAN, ts=START_MS + p * PANE_MS, version=f"v{p}") for p in log] for log in panes]
    names, one = Names(("model",), 10), LanguageSampler(Fixed(), SMALL)
    merged: list[Languages] = []
    for number, log in enumerate(logs):
        edges = sorted({0, *(c for c in cuts if c < len(log)), len(log)})
        parts = [log[a:b] for a, b in pairwise(edges)]
        merged += sampled(one if shared else LanguageSampler(Fixed(), SMALL), names, number, parts)
    found = bottom(joined(merged), SMALL)

    whole = [
        sampled(LanguageSampler(Fixed(), 10_000), names, number, [log])[0] for number, log in enumerate(logs)
    ]
    everything = joined(whole)
    expected = bottom(everything, SMALL)
    assert rows(found) == rows(expected)
    for pane in set(everything.evidence.tolist()):
        of_pane = np.sort(everything.hash[everything.evidence == pane])[:SMALL]
        assert np.sort(found.hash[found.evidence == pane]).tolist() == of_pane.tolist()


def joined(parts: list[Languages]) -> Languages:
    parts = [Languages(), *parts]
    return Languages(
        *(np.concatenate([getattr(p, f) for p in parts]) for f in Languages.__dataclass_fields__)
    )


def rows(table: Languages) -> list[tuple[int, ...]]:
    return sorted(zip(*(getattr(table, f).tolist() for f in Languages.__dataclass_fields__), strict=True))


def test_a_process_detects_little_more_than_the_sample() -> None:
    asked = Counter[str]()

    class Counting(LanguageDetector):
        def detect(self, text: str) -> str:
            asked["texts"] += 1
            return "de"

    sampler = LanguageSampler(Counting())
    nothing_kept = MeasureSettings(samples=SampleSettings(share=0, first=0))
    partition = Partition.make(nothing_kept, sampler=sampler)
    values = [value(output=GERMAN)] * 20_000
    partition.aggregator.add(batch(values), CLOCK_MS)

    found = partition.aggregator.take().delta.languages

    assert found.hash.size == asked["texts"] == 300
    hashes = np.sort(record_hashes("predictions", 0, np.arange(20_000)))
    assert np.sort(found.hash).tolist() == hashes[:300].tolist()


def test_a_batch_of_which_nothing_is_among_the_smallest_adds_nothing() -> None:
    sampler = LanguageSampler(detector(), SMALL)
    pane, ten = np.zeros(10, np.int64), np.arange(10, dtype=np.uint64)

    assert sampler.offer(OUTPUT, pane, pane, ten).sum() == SMALL
    assert sampler.offer(OUTPUT, pane, pane, ten + np.uint64(10)).tolist() == [False] * 10


def test_a_partition_read_again_sends_its_sample_again() -> None:
    names, sampler = Names(("model",), 10), LanguageSampler(detector())
    log = [value(output=GERMAN)] * 400

    first = sampled(sampler, names, 0, [log])[0]
    again = sampled(sampler, names, 0, [log[:250], log[250:]])

    assert rows(bottom(joined(again))) == rows(first)
    assert rows(bottom(joined([first, *again]))) == rows(first)


def test_the_bottom_is_of_each_stream_signal_and_evidence_pane() -> None:
    n = 12
    columns = {name: np.zeros(n, np.int64) for name in Languages.__dataclass_fields__}
    columns |= {
        "stream": np.repeat([1, 2], 6),
        "signal": np.tile([64, 65], 6),
        "evidence": np.tile([7, 7, 8], 4),
    }
    hashes = np.arange(n, 0, -1).astype(np.uint64)
    table = Languages(**(columns | {"hash": hashes}))

    kept = bottom(table, 1)

    assert kept.hash.size == 8
    assert fold([]).languages.hash.size == 0


@pytest.mark.parametrize(("model", "matches"), [("command-r", 0.999), ("command-r-base", 0.949)])
def test_real_answers_in_a_known_language_match_the_expected_one(model: str, matches: float) -> None:
    # The bare model matches .997 and .920 of all: below its confidence of .5, where we say unknown, it is mostly wrong.
    folder = os.environ.get("TOCSIN_REAL_DATA")
    if not folder:
        pytest.skip("TOCSIN_REAL_DATA names no folder with the real data sets")
    csv.field_size_limit(1 << 30)
    with gzip.open(Path(folder, "language_confusion", f"{model}.csv.gz"), "rt") as lines:
        answers = [row for row in csv.DictReader(lines) if row["task"] == "monolingual"]
    told = [(detector().detect(row["completion"]), row["language"]) for row in answers]
    known = [(found, expected) for found, expected in told if found]

    assert sum(f == e for f, e in known) / len(known) == pytest.approx(matches, abs=0.002)
    assert len(known) > 0.9 * len(told)
