"""The questions of the day after, asked in SQL of one incident whose answers are known."""

from datetime import timedelta

import pytest
from ledger_rows import PANE, T0, Rows

from monitor.records.signals import BY_NAME

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
ID = "k3v9q2m7ab"


@pytest.fixture
def german(rows: Rows) -> Rows:
    """chat-eu answers 2% in German for an hour, then 50% for two minutes, v42 alone."""
    rows.incident(
        ID, signal="output_language", onset_at=T0, detected_at=T0 + MINUTE, opened_at=T0 + MINUTE,
        acknowledged_at=T0 + 3 * MINUTE, resolved_at=T0 + 2 * MINUTE, rule="language",
    )  # fmt: skip
    language = BY_NAME["output_language"].code
    rows.add("category", stream_id=1, signal=language, category_id=2, name="en")
    rows.add("category", stream_id=1, signal=language, category_id=3, name="de")
    for pane in range(-12, 12):
        at, share = T0 + pane * PANE, 50 if pane >= 0 else 2
        rows.pane("requests", {0: 100}, at=at)
        rows.pane("output_language", {2: 100 - share, 3: share}, at=at)
        rows.pane("output_language", {2: 49, 3: 1}, at=at, part=1)
        rows.pane(
            "output_language", {2: 51 - share, 3: share - 1} if share > 2 else {2: 49, 3: 1}, at=at, part=2
        )
        rows.pane("latency_ms", {300 if pane >= 0 else 230: 100}, at=at)
    rows.pane("requests", {0: 30}, at=T0, late=True)
    rows.add("lag", at=T0 + PANE, topic="predictions", partition=0, lag=70, watermark_age_s=4.5)
    return rows


def test_when_was_it_detected_acknowledged_resolved(german):
    assert german.read(
        "SELECT detected_at - onset_at AS to_detect, acknowledged_at - opened_at AS to_ack, "
        "resolved_at - onset_at AS total FROM tocsin.incidents WHERE incident_id = :i",
        i=ID,
    ) == [(MINUTE, 2 * MINUTE, 2 * MINUTE)]


def test_the_share_per_minute(german):
    found = german.read(
        "SELECT date_trunc('minute', c.pane_start) AS minute, "
        "sum(c.n) FILTER (WHERE category = 'de')::float / sum(c.n) AS de "
        "FROM tocsin.incidents i JOIN tocsin.categories c USING (stream, signal) "
        "WHERE incident_id = :i AND c.pane_start BETWEEN onset_at - interval '1h' AND coalesce(resolved_at, now()) "
        "GROUP BY 1 ORDER BY 1",
        i=ID,
    )
    assert [round(share, 3) for _, share in found] == [
        0.02,
        0.02,
        pytest.approx((2 * 0.02 + 4 * 0.5) / 6, abs=1e-3),
        0.5,
        0.5,
    ]


def test_which_version(german):
    found = german.read(
        "SELECT c.value, c.pane_start >= i.onset_at AS after, "
        "sum(c.n) FILTER (WHERE category = 'de')::float / sum(c.n) AS de "
        "FROM tocsin.incidents i JOIN tocsin.categories_by c USING (stream, signal) "
        "WHERE incident_id = :i AND c.field = 'version' GROUP BY 1, 2 ORDER BY 1, 2",
        i=ID,
    )
    assert found == [("v41", False, 0.02), ("v41", True, 0.02), ("v42", False, 0.02), ("v42", True, 0.98)]


def test_percentiles_before_and_during(german):
    ((q, before, during),) = german.read(
        "SELECT q, tocsin.quantile(i.stream, 'latency_ms', q, since => onset_at - interval '1h', until => onset_at), "
        "tocsin.quantile(i.stream, 'latency_ms', q, since => onset_at, until => coalesce(resolved_at, now())) "
        "FROM tocsin.incidents i, unnest(array[.5]) AS q WHERE incident_id = :i",
        i=ID,
    )
    assert (float(q), before, during) == (0.5, pytest.approx(98.5, rel=0.01), pytest.approx(399, rel=0.01))


def test_could_we_see(german):
    assert german.read(
        "SELECT (SELECT sum(late)::float / nullif(sum(n), 0) FROM tocsin.panes p "
        "WHERE p.stream = i.stream AND pane_start BETWEEN onset_at AND detected_at), "
        "(SELECT max(watermark_age_s) FROM tocsin.lag WHERE at BETWEEN onset_at AND opened_at) "
        "FROM tocsin.incidents i WHERE incident_id = :i",
        i=ID,
    ) == [(pytest.approx(30 / 730), 4.5)]


def test_who_was_told_when_and_what_did_they_answer(german):
    german.add(
        "delivery", delivery_id="d1", lane="x", incident_id=ID, receiver="oncall", kind="pagerduty", event="opened",
        state="delivered", attempts=2, created_at=T0, delivered_at=T0 + PANE, response="202", payload="{}",
    )  # fmt: skip
    assert german.read(
        "SELECT receiver, event, state, attempts, delivered_at - created_at AS delay, response, last_error "
        "FROM tocsin.deliveries WHERE incident_id = :i ORDER BY created_at",
        i=ID,
    ) == [("oncall", "opened", "delivered", 2, PANE, "202", None)]


def test_kill_audit(german):
    german.add(
        "kill_event", kill_id="k1", switch="chat", stream="chat-eu", action="tripped", mode="disable", sequence=7,
        at=T0, reason="errors", actor="rule",
    )  # fmt: skip
    german.add(
        "delivery", delivery_id="d1", lane="chat", kill_id="k1", receiver="chat", kind="kill", event="tripped",
        state="delivered", attempts=1, created_at=T0, delivered_at=T0 + PANE, payload="{}",
    )  # fmt: skip
    ((*_, confirmed_after, attempts),) = german.read(
        "SELECT k.*, d.delivered_at - k.at AS confirmed_after, d.attempts "
        "FROM tocsin.kill_events k LEFT JOIN tocsin.deliveries d USING (kill_id) ORDER BY sequence"
    )
    assert (confirmed_after, attempts) == (PANE, 1)


def test_the_months_noise(german):
    german.incident("other", signal="error", onset_at=T0, rule="errors", outcome="false_alarm", opened_at=T0)
    german.incident("old", signal="error", onset_at=T0, rule="errors", opened_at=T0 - 900 * HOUR)
    assert german.read(
        "SELECT rule, count(*) AS fired, count(*) FILTER (WHERE outcome = 'false_alarm') AS false_alarms, "
        "count(*) FILTER (WHERE acknowledged_at IS NULL) AS unacked "
        "FROM tocsin.incidents WHERE opened_at > cast(:now AS timestamptz) - interval '30d' GROUP BY 1 ORDER BY 1",
        now=T0 + HOUR,
    ) == [("errors", 1, 1, 1), ("language", 1, 0, 0)]
