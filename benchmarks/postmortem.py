"""How long the queries of docs/postmortem.md and the pages take on a month of many streams: `make bench-postmortem`.

Thirty days are written straight into a ledger of its own, as roll-up would have left them: two days of panes of 10 s,
the rest as rows of five minutes. One incident is of today, one of twenty days ago.
"""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

import click
import httpx
from sqlalchemy import Connection, Engine, text

from monitor import config
from monitor.ledger import partitions
from monitor.ledger.engine import connect
from monitor.ledger.migrate import upgrade
from monitor.ledger.moments import millis
from monitor.ledger.tables import DAY_MS, PANE_5M, SAMPLE, database_ms, ensure_pane_days
from monitor.local.postgres import local_postgres
from monitor.postmortem.queries import QUERIES
from monitor.web.board import Switchboard
from monitor.web.server import WebServer
from monitor.web.status import Status

SLICED_STREAMS: Final = 10
MOST_S: Final = 1.0
LASTED: Final = timedelta(minutes=40)
AS_WELL: Final = (
    ("slow", "latency_ms", "p99", timedelta(hours=12)),
    ("language", "output_language", "share:de", timedelta(hours=12)),
)
"""Incidents of other kinds, each as long as the queries read."""

ALERTS: Final = """
name: prod
source: {bootstrap_servers: "kafka:9092", topic: predictions}
store: {url: "postgresql://u@h/d"}
rules:
  - {name: errors, signal: error, above: {warning: 2x, critical: 10%}}
  - {name: slow, signal: latency_ms, quantile: p99, above: 1.5x}
  - {name: language, signal: output_language, drift: both}
receivers: {default: {log: {}}}
"""

# A stream of ten requests a second; from an onset on, for 40 minutes, stream 1 fails at 30%, v42 alone.
_PANES: Final = text("""
    INSERT INTO tocsin_ledger.pane
        (stream_id, signal, slice_id, pane_start, evidence_start, n, total, buckets, counts, step_s)
    SELECT s, k.signal, k.slice_id, t, t, k.n * :times, k.n * :times * k.mean, k.buckets, k.counts, :step
    FROM generate_series(1, :streams) AS s
    CROSS JOIN generate_series(CAST(:since AS timestamptz), CAST(:until AS timestamptz) - interval '1 second',
                               make_interval(secs => :step)) AS t
    CROSS JOIN LATERAL (
        SELECT c.signal, CASE c.part WHEN 0 THEN 0 ELSE 2 * s + c.part - 2 END AS slice_id, c.n, c.mean, c.buckets,
               ARRAY(SELECT x * :times FROM unnest(c.counts) AS x) AS counts
        FROM pattern c
        WHERE (c.part = 0 OR s <= :sliced)
          AND (c.during IS NULL OR c.during = (s = 1 AND EXISTS (
              SELECT FROM unnest(CAST(:onsets AS timestamptz[])) AS o WHERE t >= o AND t < o + interval '40 minutes')))
    ) k
""")


def _patterns() -> Iterator[dict[str, Any]]:
    """What one pane of a stream holds, by signal and part (0 all, 1 v41, 2 v42), in an incident or out of it."""
    plain: list[tuple[int, float, dict[int, int]]] = [
        (0, 1.0, {0: 100}),
        (38, 900.0, {330 + 3 * i: 1 + i % 7 for i in range(30)}),
        (41, 0.002, {-310 + 2 * i: 1 + i % 7 for i in range(25)}),
        (65, 1.0, {0: 2, 2: 88, 3: 8, 4: 2}),
        (117, 1.0, {-2_000_000_000 + 39_000_003 * i: 1 for i in range(60)}),
        (118, 1.0, {-2_000_000_000 + 390_000_030 * i: 1 for i in range(6)}),
    ]
    for signal, mean, buckets in plain:
        yield _pattern(signal, 0, None, mean, buckets)
    yield _pattern(38, 1, None, 900.0, {330: 30, 360: 20})
    yield _pattern(38, 2, None, 900.0, {330: 30, 360: 20})
    for during, failures in ((False, (2, 1, 1)), (True, (30, 1, 29))):
        for part, k in enumerate(failures):
            yield _pattern(1, part, during, 1.0, {0: (100 if part == 0 else 50) - k, 1: k})


def _pattern(
    signal: int, part: int, during: bool | None, mean: float, buckets: dict[int, int]
) -> dict[str, Any]:
    return {
        "signal": signal,
        "part": part,
        "during": during,
        "n": sum(buckets.values()),
        "mean": mean,
        "buckets": list(buckets),
        "counts": list(buckets.values()),
    }


def fill(engine: Engine, days: int, streams: int) -> tuple[str, ...]:
    """Write the month; returns the incidents to ask of."""
    today = database_ms(engine) // DAY_MS
    midnight = datetime.fromtimestamp(today * 86_400, tz=UTC)
    onsets = {"today": midnight - timedelta(hours=20), "twenty": midnight - timedelta(days=20, hours=10)}
    with engine.begin() as conn:
        _names(conn, streams)
    _rows(engine, midnight, days, streams, list(onsets.values()))
    with engine.begin() as conn:
        for name, onset in onsets.items():
            _incident(conn, name, onset)
        for name, signal, quantity, lasted in AS_WELL:
            _incident(conn, name, onsets["today"], signal=signal, quantity=quantity, lasted=lasted)
        _surroundings(conn, midnight - timedelta(days=days), midnight)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("ANALYZE")
    return (*onsets, *(name for name, *_ in AS_WELL))


def _names(conn: Connection, streams: int) -> None:
    conn.execute(
        text(
            "INSERT INTO tocsin_ledger.stream (key, labels, state, first_seen, last_seen) "
            "SELECT 'model-' || i, jsonb_build_object('model', 'model-' || i), 'watched', "
            "       date_trunc('day', now()) - interval '1 month', date_trunc('day', now()) - interval '1 second' "
            "FROM generate_series(1, :streams) AS i"
        ),
        {"streams": streams},
    )
    conn.execute(
        text(
            "INSERT INTO tocsin_ledger.slice (stream_id, field, value) SELECT s, 'version', v "
            "FROM generate_series(1, :sliced) AS s, unnest(ARRAY['v41', 'v42']) AS v ORDER BY s, v"
        ),
        {"sliced": min(SLICED_STREAMS, streams)},
    )
    conn.execute(
        text(
            "INSERT INTO tocsin_ledger.category (stream_id, signal, category_id, name) SELECT s, 65, c + 1, l "
            "FROM generate_series(1, :streams) AS s, unnest(ARRAY['en', 'de', 'fr']) WITH ORDINALITY AS x (l, c)"
        ),
        {"streams": streams},
    )


def _rows(engine: Engine, midnight: datetime, days: int, streams: int, onsets: list[datetime]) -> None:
    first_fine = midnight - timedelta(days=2)
    first = midnight - timedelta(days=days)
    ensure_pane_days(engine, range(millis(first_fine) // DAY_MS, millis(midnight) // DAY_MS))
    weeks = range(millis(first) // (7 * DAY_MS), millis(first_fine) // (7 * DAY_MS) + 1)
    partitions.ensure(engine, PANE_5M, set(weeks))
    partitions.ensure(engine, SAMPLE, range(millis(first_fine) // DAY_MS - 1, millis(midnight) // DAY_MS))
    for number in range(days):
        since = first + timedelta(days=number)
        step = 10 if since >= first_fine else 300
        with engine.begin() as conn:
            conn.exec_driver_sql(
                "CREATE TEMP TABLE pattern (signal smallint, part int, during bool, n bigint, mean float8, "
                "buckets int[], counts bigint[]) ON COMMIT DROP"
            )
            conn.execute(
                text("INSERT INTO pattern VALUES (:signal, :part, :during, :n, :mean, :buckets, :counts)"),
                list(_patterns()),
            )
            conn.execute(
                _PANES,
                {
                    "streams": streams, "sliced": SLICED_STREAMS, "since": since, "until": since + timedelta(days=1),
                    "step": step, "times": step // 10, "onsets": onsets,
                },
            )  # fmt: skip


def _incident(
    conn: Connection,
    incident_id: str,
    onset: datetime,
    *,
    signal: str = "error",
    quantity: str = "rate",
    lasted: timedelta = LASTED,
) -> None:
    detected, opened = onset + timedelta(seconds=30), onset + timedelta(seconds=33)
    _insert(
        conn, "incident", incident_id=incident_id, rule="errors", stream="model-1", labels="{}", signal=signal,
        quantity=quantity, unit="share", severity="critical", state="resolved", onset_at=onset, detected_at=detected,
        opened_at=opened, resolved_at=onset + lasted, observed=0.3, reference=0.02, tolerance="2x", at_least=0.05,
        guaranteed=True, affected=7_200, total=24_000, version="v42", version_seen_at=onset, kill_switch="chat",
        cause_field="version", cause_value="v42", summary="model-1: 30% of requests fail, was 2%", config_hash="c0",
        facts="{}",
    )  # fmt: skip
    for number, what in enumerate(("opened", "tripped", "delivered", "resolved")):
        at = opened + timedelta(seconds=number)
        _insert(conn, "timeline", incident_id=incident_id, at=at, what=what, detail="")
    _insert(
        conn, "kill_event", kill_id=f"k-{incident_id}", switch="chat", stream="model-1", action="tripped",
        mode="disable", sequence=1, at=opened, reason="30% fail", incident_id=incident_id, actor="rule errors",
    )  # fmt: skip


def _insert(conn: Connection, table: str, **values: object) -> None:
    columns, names = ", ".join(values), ", ".join(f":{column}" for column in values)
    conn.execute(text(f"INSERT INTO tocsin_ledger.{table} ({columns}) VALUES ({names})"), values)


def _surroundings(conn: Connection, since: datetime, until: datetime) -> None:
    """A month of what else grows: a thousand incidents with messages, a row of lag a minute, samples, budgets."""
    span = {"since": since, "until": until}
    for statement in _SURROUNDINGS:
        conn.execute(text(statement), span)


_SURROUNDINGS: Final = (
    """
    INSERT INTO tocsin_ledger.lag (at, topic, partition, lag, watermark_age_s)
    SELECT t, 'predictions', p, 70, 4.5
    FROM generate_series(CAST(:since AS timestamptz), :until, interval '1 minute') AS t, generate_series(0, 3) AS p
    """,
    """
    INSERT INTO tocsin_ledger.incident (incident_id, rule, stream, labels, signal, quantity, unit, severity, state,
        onset_at, detected_at, opened_at, guaranteed, summary, config_hash, facts)
    SELECT 'i' || i, 'errors', 'model-' || i % 100 + 1, '{}', 'error', 'rate', 'share', 'warning', 'resolved',
           at, at, at, true, '', 'c0', '{}'
    FROM generate_series(1, 1000) AS i,
         LATERAL (SELECT CAST(:since AS timestamptz) + i * (CAST(:until AS timestamptz) - :since) / 1000 AS at) AS x
    """,
    """
    INSERT INTO tocsin_ledger.delivery (delivery_id, lane, incident_id, receiver, kind, event, state, attempts,
        created_at, delivered_at, payload)
    SELECT incident_id || e || r, incident_id || r, incident_id, r, 'slack', e, 'delivered', 1, opened_at, opened_at,
           '{}'
    FROM tocsin_ledger.incident, unnest(ARRAY['opened', 'resolved']) AS e, unnest(ARRAY['default', 'oncall']) AS r
    WHERE CAST(:since AS timestamptz) < :until
    """,
    """
    INSERT INTO tocsin_ledger.sample (topic_id, partition, kafka_offset, why, kept_at, topic, stream_id, at, record_id,
        trace_id, version, sample_id, record)
    SELECT '0', 0, i, 'first', at, 'predictions', i % 100 + 1, at, 'r' || i, 't' || i, 'v41', 's' || i,
        '{"x":"' || repeat('x', 290) || '"}'
    FROM generate_series(1, 300000) AS i,
         LATERAL (SELECT CAST(:until AS timestamptz) - i * interval '600 milliseconds' AS at) AS x
    WHERE CAST(:since AS timestamptz) < :until
    """,
    """
    INSERT INTO tocsin_ledger.version (stream_id, version, slice_id, first_seen, last_seen, n)
    SELECT stream_id, value, slice_id, CAST(:since AS timestamptz), :until, 1 FROM tocsin_ledger.slice
    """,
    """
    INSERT INTO tocsin_ledger.slo (rule, stream_id, objective, good, total, budget_left)
    SELECT rule, stream_id, 0.999, 999500, 1000000, 0.5 FROM tocsin_ledger.stream, unnest(ARRAY['up', 'fast']) AS rule
    WHERE CAST(:since AS timestamptz) < :until
    """,
    """
    INSERT INTO tocsin_ledger.config (config_hash, loaded_at, host, yaml_redacted)
    SELECT 'c0', t, 'host', 'rules: []' FROM generate_series(CAST(:since AS timestamptz), :until, interval '1 day') AS t
    """,
)


def measured(conn: Connection, sql: str, incident_id: str, rounds: int) -> list[float]:
    """Seconds of each round, with the rows fetched."""
    took = []
    for _ in range(rounds):
        began = time.monotonic()
        conn.execute(text(sql), {"incident": incident_id}).all()
        took.append(time.monotonic() - began)
    return took


def pages(engine: Engine, incidents: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """Seconds of each round, by page."""
    paths = ["/", "/streams", "/streams/model-1", f"/streams/model-{SLICED_STREAMS + 1}"]
    paths += ["/incidents", "/incidents?stream=model-*&state=resolved&since=30d&before=i200"]
    paths += ["/incidents?stream=nosuch", "/incidents?severity=critical&outcome=none"]
    paths += [f"/incidents/{incident_id}" for incident_id in incidents]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "alerts.yaml"
        path.write_text(ALERTS)
        board = Switchboard(config.load(path, environ={}), engine)
    server = WebServer(Status, host="127.0.0.1", port=0, token=None, board=board)
    server.start()
    took: dict[str, list[float]] = {path: [] for path in paths}
    with httpx.Client(base_url=server.url, headers={"accept": "text/html"}, timeout=60) as client:
        for path in paths * rounds:
            began = time.monotonic()
            client.get(path).raise_for_status()
            took[path].append(time.monotonic() - began)
    server.stop(2)
    return took


def told(name: str, took: Sequence[float]) -> None:
    click.echo(f"{name:30} median {median(took):6.3f} s  most {max(took):6.3f} s")


@click.command()
@click.option("--days", default=30, show_default=True)
@click.option("--streams", default=100, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(days: int, streams: int, rounds: int) -> None:
    """Fill a ledger, ask it every question of the day after, and print how long each took."""
    worst = 0.0
    with local_postgres(settings={"fsync": "off", "max_wal_size": "4GB"}) as postgres:
        url = postgres.create_database("postmortem")
        upgrade(url)
        engine = connect(url, name="postmortem", statement_ms=600_000)
        began = time.monotonic()
        incidents = fill(engine, days, streams)
        with engine.connect() as conn:
            rows = conn.execute(text("SELECT count(*) FROM tocsin_ledger.pane")).scalar_one()
            click.echo(
                f"{days} days of {streams} streams, {rows:,} panes in {time.monotonic() - began:.0f} s"
            )
            for query in QUERIES:
                for incident_id in incidents:
                    took = measured(conn, query.bound, incident_id, rounds)
                    worst = max(worst, *took)
                    told(f"{query.name} {incident_id}", took)
        shown = pages(engine, incidents, rounds)
        for path, took in shown.items():
            told(path, took)
        engine.dispose()
    slowest = max(max(took) for took in shown.values())
    click.echo(
        f"postmortem: {len(QUERIES)} queries, {len(shown)} pages, {rows:,} panes, "
        f"worst query {worst:.2f} s, worst page {slowest:.2f} s"
    )
    if max(worst, slowest) >= MOST_S:
        raise SystemExit(f"postmortem: {MOST_S:g} s is the most that a query or page may take")


if __name__ == "__main__":
    main()
