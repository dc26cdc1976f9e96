"""The views of the contract: their columns, and what they say."""

import re
from datetime import timedelta

import numpy as np
import pytest
from ledger_rows import PANE, T0, Rows
from sqlalchemy import Connection, text

from detectors.buckets import LOG, LOGIT, quantile
from monitor.ledger.moments import millis
from monitor.ledger.tables import ensure_partitions
from monitor.records.signals import BY_NAME

CONTRACT = """
incidents(incident_id, rule, stream, labels, signal, quantity, unit, severity, state, onset_at,
    detected_at, opened_at, acknowledged_at, acknowledged_by, resolved_at, observed, reference,
    tolerance, at_least, guaranteed, cause_field, cause_value, version, version_seen_at, affected,
    total, reference_id, outcome, historical, dry_run, kill_switch, summary, config_hash)
incident_scopes(incident_id, ended_at, part_field, part_value, good_below, edge, side, share_limit)
timeline(incident_id, at, what, detail)
deliveries(delivery_id, incident_id, kill_id, receiver, event, state, attempts, created_at,
    delivered_at, response, last_error)
kill_switches(switch, stream, state, mode, target, sequence, since, reason, incident_id,
    confirmed_at, share)
kill_events(kill_id, switch, stream, action, mode, target, sequence, at, reason, incident_id, actor,
    share)
panes(stream, pane_start, n, late)
rates(stream, signal, pane_start, k, n)
quantiles(stream, signal, pane_start, n, p50, p90, p95, p99, p999)
totals(stream, signal, pane_start, n, total)
categories(stream, signal, pane_start, category, n)
rates_by(stream, signal, pane_start, k, n, field, value)
quantiles_by(stream, signal, pane_start, n, p50, p90, p95, p99, p999, field, value)
categories_by(stream, signal, pane_start, category, n, field, value)
calibration(stream, pane_start, confidence_from, confidence_to, n, correct, mean_confidence)
coverage(stream, signal, pane_start, n, of, abstained)
labels(stream, pane_start, n, unmatched)
users(stream, pane_start, users, failed_users)
streams(stream, labels, state, first_seen, last_seen, reference_id, learned, needed)
versions(stream, version, first_seen, last_seen, n)
progress(topic, partition, next_offset, judged_offset, counted, skipped, lag, watermark, updated_at)
lag(at, topic, partition, lag, watermark_age_s)
skipped_records(topic, partition, kafka_offset, reason, detail, at)
samples(stream, at, topic, partition, kafka_offset, record_id, trace_id, version, incident_id,
    signal, why, record, sample_id, signals, mark, note, marked_by, marked_at)
marks(sample_id, stream, version, mark, note, marked_by, marked_at, counted)
slos(rule, stream, objective, good, total, budget_left)
configs(config_hash, loaded_at, host, yaml_redacted)
"""


@pytest.mark.parametrize(("view", "columns"), re.findall(r"(\w+)\((.*?)\)", CONTRACT, re.DOTALL))
def test_a_view_has_the_columns_of_the_contract(ledger, view, columns):
    with ledger.connect() as connection:
        found = connection.execute(text(f"SELECT * FROM tocsin.{view} LIMIT 0")).keys()
    assert list(found) == re.split(r",\s+", columns)


def test_panes_count_all_records_and_the_late_ones(rows):
    rows.pane("requests", {0: 90})
    rows.pane("requests", {0: 10}, late=True)
    rows.pane("requests", {0: 5}, at=T0 + PANE)
    rows.pane("requests", {0: 60}, part=1)
    assert rows.read("SELECT * FROM tocsin.panes ORDER BY pane_start") == [
        ("chat-eu", T0, 100, 10),
        ("chat-eu", T0 + PANE, 5, 0),
    ]


def test_rates_are_events_of_tries_per_pane(rows):
    rows.pane("error", {0: 95, 1: 5})
    rows.pane("error", {1: 2}, late=True)
    rows.pane("error", {0: 7}, at=T0 + PANE)
    rows.pane("latency_ms", {100: 7})
    assert rows.read("SELECT * FROM tocsin.rates ORDER BY pane_start") == [
        ("chat-eu", "error", T0, 7, 102),
        ("chat-eu", "error", T0 + PANE, 0, 7),
    ]


def test_rates_by_version(rows):
    rows.pane("error", {0: 9, 1: 1}, part=1)
    rows.pane("error", {0: 1, 1: 4}, part=2)
    rows.pane("error", {0: 10, 1: 5})
    assert rows.read("SELECT * FROM tocsin.rates_by ORDER BY value") == [
        ("chat-eu", "error", T0, 1, 10, "version", "v41"),
        ("chat-eu", "error", T0, 4, 5, "version", "v42"),
    ]


def test_totals_are_sums_of_values_and_those_that_came_late_count(rows):
    cost = BY_NAME["cost_usd"].code
    for evidence, n, total in ((T0, 3, 0.75), (T0 + PANE * 7, 1, 0.5)):
        rows.add(
            "pane", stream_id=1, signal=cost, slice_id=0, pane_start=T0, evidence_start=evidence, n=n, total=total,
            buckets=[0], counts=[n],
        )  # fmt: skip
    rows.pane("error", {1: 2})
    assert rows.read("SELECT stream, signal, pane_start, n, total FROM tocsin.totals") == [
        ("chat-eu", "cost_usd", T0, 4, 1.25)
    ]


def test_categories_have_their_names(rows):
    language = BY_NAME["output_language"].code
    rows.add("category", stream_id=1, signal=language, category_id=2, name="en")
    rows.add("category", stream_id=1, signal=language, category_id=3, name="de")
    rows.add("category", stream_id=2, signal=language, category_id=2, name="fr")
    rows.pane("output_language", {0: 1, 1: 2, 2: 30, 3: 4})
    rows.pane("output_language", {3: 6}, late=True)
    rows.pane("output_language", {2: 8}, stream=2)
    rows.pane("output_language", {3: 3}, part=2)
    assert rows.read("SELECT * FROM tocsin.categories ORDER BY stream, n") == [
        ("b", "output_language", T0, "fr", 8),
        ("chat-eu", "output_language", T0, "unknown", 1),
        ("chat-eu", "output_language", T0, "(other)", 2),
        ("chat-eu", "output_language", T0, "de", 10),
        ("chat-eu", "output_language", T0, "en", 30),
    ]
    assert rows.read("SELECT * FROM tocsin.categories_by") == [
        ("chat-eu", "output_language", T0, "de", 3, "version", "v42")
    ]


def test_quantiles_of_a_pane_are_those_of_its_buckets(rows):
    values = np.random.default_rng(3).lognormal(5, 1, 1_000)
    rows.values("latency_ms", values)
    rows.values("latency_ms", values[:300] * 3, at=T0 + PANE)
    rows.values("latency_ms", values[300:] * 3, at=T0 + PANE, late=True)
    rows.values("latency_ms", values * 7, part=2)
    found = rows.read("SELECT pane_start, n, p50, p90, p95, p99, p999 FROM tocsin.quantiles ORDER BY 1")
    for (start, n, *percentiles), at, factor in zip(found, (T0, T0 + PANE), (1, 3), strict=True):
        assert (start, n) == (at, 1_000)
        assert percentiles == pytest.approx(percentiles_of(values * factor))
    ((field, value, p50),) = rows.read("SELECT field, value, p50 FROM tocsin.quantiles_by")
    assert (field, value) == ("version", "v42")
    assert p50 == pytest.approx(percentiles_of(values * 7)[0])


def percentiles_of(values: np.ndarray) -> list[float]:
    buckets, counts = np.unique(LOG.bucket(values), return_counts=True)
    return [quantile(buckets, counts, q, LOG) for q in (0.5, 0.9, 0.95, 0.99, 0.999)]


def test_a_pane_of_one_value_has_it_as_every_percentile(rows):
    rows.pane("latency_ms", {-32768: 1})
    assert rows.read("SELECT n, p50, p90, p95, p99, p999 FROM tocsin.quantiles") == [(1, 0, 0, 0, 0, 0)]


@pytest.mark.parametrize(
    ("scale", "name", "buckets"),
    [
        (LOG, "log", [-32768, -32000, -500, -1, 0, 1, 231, 1_000, 32_000]),
        (LOGIT, "logit", [-32768, -1_000, -1, 0, 1, 230, 1_000, 32767]),
    ],
)
def test_sql_and_python_agree_on_the_value_of_a_bucket(rows, scale, name, buckets):
    found = rows.read(
        "SELECT tocsin_ledger.bucket_value(:scale, b) FROM unnest(cast(:b AS int[])) b", scale=name, b=buckets
    )
    assert [value for (value,) in found] == pytest.approx(scale.value(buckets).tolist(), rel=1e-12)


def test_references_say_what_normal_was(rows):
    values = np.random.default_rng(3).lognormal(5, 1, 1_000)
    buckets, counts = np.unique(LOG.bucket(values), return_counts=True)
    language = BY_NAME["output_language"].code
    rows.add("category", stream_id=1, signal=language, category_id=2, name="en")
    reference(rows, 1, "latency_ms", buckets.tolist(), counts.tolist())
    reference(rows, 2, "output_language", [1, 2], [20, 80])
    reference(rows, 3, "error", [0, 1], [990, 10])
    reference(rows, 4, "timeout", [0], [1000])
    ((key, *percentiles),) = rows.read(
        "SELECT stream, p50, p90, p95, p99, p999 FROM tocsin.reference_quantiles"
    )
    assert (key, percentiles) == ("chat-eu", pytest.approx(percentiles_of(values)))
    assert rows.read(
        "SELECT reference_id, category, n, share FROM tocsin.reference_categories ORDER BY n"
    ) == [
        (2, "(other)", 20, 0.2),
        (2, "en", 80, 0.8),
    ]
    assert rows.read("SELECT signal, k, n, rate FROM tocsin.reference_rates ORDER BY 1") == [
        ("error", 10, 1000, 0.01),
        ("timeout", 0, 1000, 0.0),
    ]


def reference(rows: Rows, number: int, signal: str, buckets: list[int], counts: list[int]) -> None:
    rows.add(
        "reference",
        reference_id=number,
        stream_id=1,
        signal=BY_NAME[signal].code,
        origin="learned",
        provisional=False,
        n=sum(counts),
        learned_from=T0,
        learned_until=T0 + PANE,
        buckets=buckets,
        counts=counts,
    )


def test_progress_shows_offsets_judged_lag_and_watermark(rows):
    first = {"next_offset": 90, "seq": 4, "counted": 80, "skipped": 10, "end_offset": 100}
    for partition, values in enumerate([first, {"next_offset": 6, "end_offset": 5}, {}]):
        rows.add("topic_partition", topic_id="t", partition=partition, topic="predictions", **values)
    rows.add(
        "judge_cursor", topic_id="t", partition=0, seq=3, judged_offset=70, watermark_ms=millis(T0) + 123
    )
    assert rows.read(
        "SELECT partition, next_offset, judged_offset, counted, skipped, lag, watermark "
        "FROM tocsin.progress ORDER BY 1"
    ) == [
        (0, 90, 70, 80, 10, 10, T0 + timedelta(milliseconds=123)),
        (1, 6, None, 0, 0, 0, None),
        (2, None, None, 0, 0, None, None),
    ]


def test_rule_15_skipped_ranges_read_as_one_row_a_record(rows):
    run = {"first_offset": 5, "last_offset": 7, "n": 3}
    why = {"reason": "not_json", "detail": "x", "at": T0}
    rows.add("skipped_range", topic_id="t", partition=3, topic="predictions", **run, **why)
    assert rows.read("SELECT * FROM tocsin.skipped_records") == [
        ("predictions", 3, offset, "not_json", "x", T0) for offset in (5, 6, 7)
    ]


def test_rule_15_one_row_with_a_bit_an_offset_reads_as_those_offsets(rows):
    run = {"first_offset": 5, "last_offset": 15, "n": 3, "which": bytes([0b00000101, 0b00000100])}
    rows.add(
        "skipped_range", topic_id="t", partition=3, topic="p", **run, reason="not_json", detail="x", at=T0
    )
    assert rows.read("SELECT kafka_offset FROM tocsin.skipped_records") == [(5,), (7,), (15,)]


def test_samples_and_versions_name_their_stream(rows):
    ensure_partitions(rows.ledger)
    rows.add("version", stream_id=1, version="v42", slice_id=2, first_seen=T0, last_seen=T0 + PANE, n=7)
    source = {"topic_id": "t", "topic": "predictions", "partition": 0, "kafka_offset": 9}
    rows.add("sample", **source, stream_id=1, at=T0, record_id="r", why="error", record="{}", sample_id="x")
    assert rows.read("SELECT * FROM tocsin.versions") == [("chat-eu", "v42", T0, T0 + PANE, 7)]
    assert rows.read("SELECT stream, at, kafka_offset, record_id, why, record FROM tocsin.samples") == [
        ("chat-eu", T0, 9, "r", "error", "{}")
    ]


def plan(connection: Connection, sql: str) -> str:
    return "\n".join(connection.execute(text(f"EXPLAIN (ANALYZE, TIMING off) {sql}")).scalars())


@pytest.mark.parametrize(
    "view", ["panes", "rates", "quantiles", "categories", "rates_by", "quantiles_by", "categories_by"]
)
def test_conditions_reach_the_primary_key_of_one_partition(rows, view):
    signal = "" if view == "panes" else "AND signal = 'error'"
    sql = (
        f"SELECT * FROM tocsin.{view} WHERE stream = 'chat-eu' {signal} "
        f"AND pane_start >= '{T0}' AND pane_start < '{T0 + PANE * 90}'"
    )
    with rows.ledger.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        shown = plan(connection, sql)
    conditions = [line for line in shown.splitlines() if "Index Cond" in line and "pane_start" in line]
    assert conditions, shown
    for column in ("stream_id = ", "signal = ", "slice_id = ", "pane_start >= ", "pane_start < "):
        assert column in conditions[0]
    assert "pane_10s_20261114" in shown
    assert "pane_10s_20261113" not in shown


def test_the_panes_of_an_incident_are_found_by_its_stream_and_signal(rows):
    rows.incident("k3v9q2m7ab", signal="error", onset_at=T0)
    rows.pane("error", {0: 9, 1: 1})
    rows.pane("error", {0: 9}, stream=2)
    sql = (
        "SELECT k, c.n FROM tocsin.incidents i JOIN tocsin.rates c USING (stream, signal) "
        "WHERE incident_id = 'k3v9q2m7ab'"
    )
    assert rows.read(sql) == [(1, 10)]
    with rows.ledger.begin() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        shown = plan(connection, sql)
    assert re.search(r"Index Cond: .*stream_id = .*signal = .*slice_id = 0", shown), shown
