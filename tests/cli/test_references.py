"""`tocsin accept` and `tocsin reference`, on a ledger that a judge has filled."""

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, text

from monitor import cli
from monitor.errors import UsageError
from monitor.judge import reference_rows
from monitor.ledger.rolling import roll_up
from monitor.ledger.tables import DAY_MS, ensure_pane_days

HEAD = """
name: test
source: {bootstrap_servers: "localhost:9092", topic: predictions}
store: {url: "URL"}
receivers: {default: {slack: {url: "https://hooks.slack.example/x"}}}
signals: {declined: {kind: rate, field: prediction, when: [NO]}}
rules: [{name: errors, signal: error, above: 2x}, {name: declined, signal: declined, above: 2x}]
"""


@pytest.fixture
def alerts(ledger_url: str, tmp_path: Path) -> str:
    path = tmp_path / "alerts.yaml"
    path.write_text(HEAD.replace("URL", ledger_url))
    return str(path)


def run(*arguments: str) -> str:
    return CliRunner().invoke(cli.cli, list(arguments), catch_exceptions=False, standalone_mode=False).output


def records(n: int) -> list[dict[str, object]]:
    return [
        {"status": "error" if i % 50 == 0 else "ok", "output_tokens": 100 + i % 40, "finish_reason": "stop"}
        for i in range(n)
    ]


def rows(engine: Engine, query: str) -> list[tuple[object, ...]]:
    with engine.connect() as conn:
        return [tuple(r) for r in conn.execute(text(query))]


def test_an_eval_set_becomes_the_reference_of_every_signal_it_has(
    engine: Engine, alerts: str, tmp_path: Path
) -> None:
    file = tmp_path / "eval.jsonl"
    file.write_text("".join(json.dumps(r) + "\n" for r in records(500)))
    told = run("reference", "import", str(file), "--model", "chat-eu", "-c", alerts)
    assert "error: reference #" in told
    assert "output_tokens: reference #" in told
    assert rows(engine, "SELECT stream, k, n FROM tocsin.reference_rates WHERE signal = 'error'") == [
        ("chat-eu", 10, 500)
    ]
    named = rows(engine, "SELECT category, n FROM tocsin.reference_categories WHERE signal = 'finish_reason'")
    assert named == [("stop", 490)]


def test_a_csv_is_read_by_the_names_of_its_columns(engine: Engine, alerts: str, tmp_path: Path) -> None:
    file = tmp_path / "eval.csv"
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, ["model", "status", "confidence"])
        writer.writeheader()
        writer.writerows({"model": "m", "status": "ok", "confidence": 0.5 + i / 400} for i in range(150))
    run("reference", "import", str(file), "-c", alerts)
    assert rows(engine, "SELECT n, p50 BETWEEN 0.68 AND 0.70 FROM tocsin.reference_quantiles") == [
        (150, True)
    ]


def test_signals_of_the_user_s_own_are_imported_and_listed(
    engine: Engine, alerts: str, tmp_path: Path
) -> None:
    file = tmp_path / "eval.jsonl"
    rows_ = [{"model": "m", "prediction": "NO" if i % 10 == 0 else "YES"} for i in range(200)]
    file.write_text("".join(json.dumps(r) + "\n" for r in rows_))
    assert "declined: reference #" in run("reference", "import", str(file), "-c", alerts)
    assert "declined" in run("reference", "list", "-c", alerts)


def test_a_line_that_is_no_json_is_named(alerts: str, tmp_path: Path) -> None:
    file = tmp_path / "eval.jsonl"
    file.write_text('{"model": "m"}\nnot json\n')
    with pytest.raises(UsageError, match=r"eval\.jsonl:2: this is not JSON"):
        run("reference", "import", str(file), "-c", alerts)


def test_rows_without_a_model_are_refused_with_what_is_missing(alerts: str, tmp_path: Path) -> None:
    file = tmp_path / "eval.jsonl"
    file.write_text(json.dumps(records(1)[0]))
    with pytest.raises(UsageError, match=r"none of 1 rows is a prediction record: .*model"):
        run("reference", "import", str(file), "-c", alerts)


def incident_of_german(engine: Engine) -> None:
    """An incident about `error` of stream chat-eu, and 300 failing requests after it."""
    at = datetime(2026, 11, 14, 3, 0, tzinfo=UTC)
    ensure_pane_days(engine, [int(at.timestamp() * 1000) // DAY_MS])
    with engine.begin() as conn:
        conn.execute(text("INSERT INTO tocsin_ledger.stream (key, labels) VALUES ('chat-eu', '{}')"))
        conn.execute(
            text("""
                INSERT INTO tocsin_ledger.incident (incident_id, rule, stream, labels, signal, severity, state,
                    detected_at, onset_at, guaranteed, summary, config_hash, facts)
                VALUES ('abc', 'errors', 'chat-eu', '{}', 'error', 'warning', 'firing', :at, :at, true, '', '', '{}')
            """),
            {"at": at},
        )
        conn.execute(
            text("""
                INSERT INTO tocsin_ledger.pane
                    (stream_id, signal, slice_id, pane_start, evidence_start, n, buckets, counts)
                SELECT 1, 1, 0, t, t, 10, ARRAY[0, 1], ARRAY[4, 6]
                FROM generate_series(CAST(:at AS timestamptz), CAST(:at AS timestamptz) + interval '5 min', '10 s') t
            """),
            {"at": at},
        )


def test_accept_makes_what_came_after_the_detection_the_reference(engine: Engine, alerts: str) -> None:
    incident_of_german(engine)
    assert run("accept", "abc", "--by", "kim", "-c", alerts) == (
        "abc accepted: error is judged by reference #1 from now on\n"
    )
    assert rows(engine, "SELECT origin, k, n FROM tocsin.reference_rates") == [("accepted", 186, 310)]
    assert rows(engine, "SELECT acknowledged_by, outcome FROM tocsin.incidents") == [("kim", "expected")]
    assert ("accepted", "reference #1") in rows(engine, "SELECT what, detail FROM tocsin.timeline")


def test_accept_says_where_a_limit_is_absolute_and_stays(engine: Engine, alerts: str) -> None:
    incident_of_german(engine)
    with engine.begin() as conn:
        conn.execute(text("UPDATE tocsin_ledger.incident SET tolerance = '10%'"))
    assert run("accept", "abc", "-c", alerts) == (
        "abc accepted: error is judged by reference #1 from now on; the limit 10% stays: change it in alerts.yaml, "
        "or it fires again\n"
    )


def test_an_incident_that_has_ended_is_not_accepted_and_keeps_its_outcome(
    engine: Engine, alerts: str
) -> None:
    incident_of_german(engine)
    with engine.begin() as conn:
        conn.execute(
            text("""
            UPDATE tocsin_ledger.incident
            SET state = 'resolved', resolved_at = '2026-11-14T03:02Z', acknowledged_by = 'ann', outcome = 'true'
        """)
        )
    with pytest.raises(UsageError, match=r"abc ended 2026-11-14 03:02:00 UTC, .* `tocsin reference promote"):
        run("accept", "abc", "-c", alerts)
    assert rows(engine, "SELECT count(*) FROM tocsin.reference_rates") == [(0,)]
    assert rows(engine, "SELECT acknowledged_by, outcome FROM tocsin.incidents") == [("ann", "true")]


def test_promote_takes_a_stretch_of_time_and_goes_back(engine: Engine, alerts: str) -> None:
    incident_of_german(engine)
    since = ("--stream", "chat-eu", "--since", "2026-11-14T03:00", "--until", "2026-11-14T03:02")
    assert run("reference", "promote", *since, "-c", alerts) == "error: reference #1\n"
    assert run("reference", "promote", "--id", "1", "-c", alerts) == "reference #2 is #1 again\n"
    listed = run("reference", "list", "-c", alerts)
    assert "in force" in listed
    assert "retired" in listed
    assert "again #1" in listed


def test_promote_takes_a_stretch_that_roll_ups_have_made_coarser(engine: Engine, alerts: str) -> None:
    incident_of_german(engine)
    roll_up(engine, int(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1000))
    since = ("--stream", "chat-eu", "--since", "2026-11-14T03:00", "--until", "2026-11-14T04:00")
    assert run("reference", "promote", *since, "-c", alerts) == "error: reference #1\n"
    found = rows(engine, "SELECT n, block_s, panes, learned_until FROM tocsin_ledger.reference")
    assert found == [(310, None, 2.0, datetime(2026, 11, 14, 3, 10, tzinfo=UTC))]


def a_week(engine: Engine) -> None:
    """A pane an hour of stream chat-eu, from Monday 9 November 2026 on for 8 days; it fails more by night."""
    first = datetime(2026, 11, 9, tzinfo=UTC)
    day = int(first.timestamp() * 1000) // DAY_MS
    ensure_pane_days(engine, range(day, day + 8))
    with engine.begin() as conn:
        conn.execute(text("INSERT INTO tocsin_ledger.stream (key, labels) VALUES ('chat-eu', '{}')"))
        conn.execute(
            text("""
                INSERT INTO tocsin_ledger.pane
                    (stream_id, signal, slice_id, pane_start, evidence_start, n, buckets, counts)
                SELECT 1, 1, 0, t, t, 1000, ARRAY[0, 1],
                    CASE WHEN extract(hour FROM t AT TIME ZONE 'UTC') < 8 THEN ARRAY[950, 50] ELSE ARRAY[990, 10] END
                FROM generate_series(CAST(:at AS timestamptz), CAST(:at AS timestamptz) + interval '191 h', '1 h') t
            """),
            {"at": first},
        )


def test_promote_by_hour_of_week_keeps_a_histogram_for_each_hour_and_goes_back_to_it(
    engine: Engine, alerts: str
) -> None:
    a_week(engine)
    by_hour = (
        "--stream",
        "chat-eu",
        "--since",
        "2026-11-09",
        "--until",
        "2026-11-17",
        "--by",
        "hour_of_week",
    )
    assert run("reference", "promote", *by_hour, "-c", alerts) == "error: reference #1\n"
    held = (
        "SELECT hour, counts[2], panes FROM tocsin_ledger.reference_hour WHERE reference_id = {} ORDER BY 1"
    )
    found = rows(engine, held.format(1))
    assert len(found) == 168
    assert found[0] == (0, 100, 2.0)
    assert found[167] == (167, 10, 1.0)
    assert "168 hours" in run("reference", "list", "-c", alerts)
    assert run("reference", "promote", "--id", "1", "-c", alerts) == "reference #2 is #1 again\n"
    assert rows(engine, held.format(2)) == found
    with engine.connect() as conn:
        (given,) = reference_rows.given(conn, 1)
    assert given.reference.hourly
    assert given.hours is not None
    assert given.hours.panes.sum() == 192


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("accept", "nope"), "there is no incident nope"),
        (("reference", "promote"), "name --stream and --since"),
        (
            (
                "reference",
                "promote",
                "--stream=x",
                "--since=2026-11-14",
                "--until=2026-11-20",
                "--by=hour_of_week",
            ),
            "name 7 days or more",
        ),
        (("reference", "promote", "--id", "9"), "there is no reference #9"),
        (("reference", "promote", "--stream", "x", "--since", "2026-11-14"), "there is no stream x"),
    ],
)
def test_what_is_not_there_is_one_sentence(
    engine: Engine, alerts: str, arguments: list[str], why: str
) -> None:
    with pytest.raises(UsageError, match=why):
        run(*arguments, "-c", alerts)
