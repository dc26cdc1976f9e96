"""docs/postmortem.md, asked as the role that may only read, of an incident that production code made of records."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aftermath import HOSTILE, Aftermath
from sqlalchemy import Engine, make_url

from monitor.ledger.engine import connect
from monitor.ledger.moments import moment
from monitor.postmortem.queries import QUERIES, answer

PAGE = (Path(__file__).parents[2] / "docs" / "postmortem.md").read_text("utf-8")
READER = "tocsin_read_of_postmortem"
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def reader(made: Aftermath) -> Iterator[Engine]:
    """A role that has what docs/postgres.md grants to `tocsin_read`."""
    url = made.engine.url
    with made.engine.begin() as conn:
        conn.exec_driver_sql(
            f"CREATE ROLE {READER} LOGIN PASSWORD '{url.password}'; "
            f"GRANT USAGE ON SCHEMA tocsin TO {READER}; GRANT SELECT ON ALL TABLES IN SCHEMA tocsin TO {READER}"
        )
    engine = connect(make_url(url).set(username=READER).render_as_string(hide_password=False))
    yield engine
    engine.dispose()
    with made.engine.begin() as conn:
        conn.exec_driver_sql(f"DROP OWNED BY {READER}; DROP ROLE {READER}")


@pytest.fixture(scope="module")
def answers(made: Aftermath, reader: Engine) -> dict[str, list[dict[str, Any]]]:
    """The rows of every query of the page, by its name."""
    found = {}
    for query in QUERIES:
        with reader.begin() as conn:
            came = answer(conn, query, made.incident)
        found[query.name] = [dict(zip(came.columns, row, strict=True)) for row in came.rows]
    return found


@pytest.fixture(scope="module")
def mended(made: Aftermath, answers: dict[str, list[dict[str, Any]]]) -> int:
    """Requests after the failures that came before the incident ended."""
    return made.mended_before(answers["fired"][0]["ended_at"])


def test_the_page_has_every_query_as_it_is_run_and_its_question(reader) -> None:
    asked = re.findall(r"^## (?:\d+\. )?(.*)$", PAGE, re.MULTILINE)
    assert asked == [query.question for query in QUERIES]
    assert re.findall(r"```sql\n(.*?)\n```", PAGE, re.DOTALL) == [query.sql for query in QUERIES]


def test_what_fired_and_against_what(made, answers) -> None:
    (row,) = answers["fired"]
    assert (row["rule"], row["stream"], row["severity"], row["state"]) == (
        "errors", "chat", "critical", "resolved",
    )  # fmt: skip
    assert row["summary"].endswith("of requests fail, was 1%")
    assert 0.4 < row["observed"] <= 0.9
    assert (row["reference"], row["at_least"], row["tolerance"]) == (0.01, 0.1, "10%")
    assert (row["origin"], row["provisional"], row["acknowledged_by"]) == ("learned", False, "ann")
    assert moment(made.onset_ms) <= row["onset_at"] <= moment(made.onset_ms) + 10 * SECOND


def test_the_signal_by_minute_before_during_and_after(made, answers) -> None:
    rows = answers["signal"]
    assert list(dict.fromkeys(row["phase"] for row in rows)) == ["before", "during", "after"]
    assert {(row["reference"], row["at_least"]) for row in rows} == {(0.01, 0.1)}
    before, during, after = (
        [row for row in rows if row["phase"] == phase] for phase in ("before", "during", "after")
    )
    assert {row["value"] for row in before} == {0.01}
    assert {row["value"] for row in after} == {0.01}
    assert sum(row["n"] for row in rows) == 6_000 + 600 + 2_400
    failed = sum(row["value"] * row["n"] for row in during)
    assert failed == pytest.approx(540 + 0.01 * (sum(row["n"] for row in during) - 600))


def test_which_version(made, answers, mended) -> None:
    new, old = answers["slices"]
    assert (new["field"], new["value"], new["before"], new["during"], new["n"]) == (
        "version", "v42", None, 1.0, 540,
    )  # fmt: skip
    assert (old["field"], old["value"], old["before"], old["during"], old["n"]) == (
        "version", "v41", 0.01, mended / 100 / (60 + mended), 60 + mended,
    )  # fmt: skip
    assert new["first_seen"] == moment(made.onset_ms + 100)


def test_who_was_told_when_and_by_which_attempt(answers) -> None:
    told = {(row["receiver"], row["event"]): row for row in answers["told"]}
    attempts = {who: row["attempts"] for who, row in told.items()}
    said_by_the_first = attempts.pop(("desk", "tripped"), 1)
    assert said_by_the_first == 1
    assert attempts == {
        ("chat", "tripped"): 1,
        ("desk", "opened"): 2,
        ("chat", "released"): 1,
        ("desk", "resolved"): 1,
    }
    assert {row["state"] for row in told.values()} == {"delivered"}
    assert {row["response"] for row in told.values()} == {"HTTP 204"}
    assert all(timedelta(0) < row["delay"] < 20 * SECOND for row in told.values())


def test_sample_records_with_their_traces(answers) -> None:
    rows = answers["samples"]
    assert len(rows) == 20
    failed = [row for row in rows if row["version"] == "v42"]
    assert len(failed) > 15
    assert sum(row["why"] == "error" for row in failed) > 15
    assert failed[0]["trace_id"] == "t-1"
    assert HOSTILE[:20] in failed[0]["record"]


def test_what_the_kill_switch_did(answers) -> None:
    tripped = next(row for row in answers["kill"] if (row["action"], row["receiver"]) == ("tripped", "chat"))
    assert (tripped["switch"], tripped["mode"], tripped["actor"]) == ("chat", "disable", "rule errors")
    assert (tripped["state"], tripped["response"], tripped["attempts"]) == ("delivered", "HTTP 204", 1)
    assert timedelta(0) < tripped["confirmed_after"] < 20 * SECOND
    last = answers["kill"][-1]
    assert (last["action"], last["actor"], last["reason"]) == ("released", "ann", "v42 is gone")


def test_how_many_requests_and_users_met_it(answers, mended) -> None:
    before, during = answers["met"]
    assert (during["requests"], during["failed"]) == (600 + mended, 540 + mended // 100)
    assert (during["users"], during["failed_users"]) == (25, 25)
    assert before["failed"] == before["requests"] / 100
    assert (before["users"], before["failed_users"]) == (25, 1)


def test_what_it_cost(answers, mended) -> None:
    cost = {(row["signal"], row["phase"]): row for row in answers["cost"]}
    assert cost["cost_usd", "during"]["total"] == pytest.approx((600 + mended) * 0.002)
    assert cost["cost_usd", "before"]["per_request"] == pytest.approx(0.002)
    answered = 60 + mended - mended // 100
    tokens = cost["output_tokens", "during"]
    assert (tokens["total"], tokens["requests"]) == (100 * answered, answered)


def test_how_long_each_step_took(answers) -> None:
    (row,) = answers["delays"]
    assert 5 * SECOND <= row["detected_after"] <= 20 * SECOND
    steps = [row[f"{what}_after"] for what in ("opened", "killed", "kill_confirmed", "resolved")]
    assert steps == sorted(steps)
    assert row["opened_after"] < row["told_after"] < row["acknowledged_after"] < row["resolved_after"]


def test_whether_tocsin_was_behind_or_its_configuration_changed(made, answers, mended) -> None:
    found = {row["what"]: row["detail"] for row in answers["monitor"]}
    assert found["late records"] == f"0 of {600 + mended}"
    assert found["largest lag"] == "predictions/0: 0 records"
    assert found["skipped: not_json"] == "1"
    assert found["configuration loaded"] == f"{made.settings.config_hash}, in effect, by judge-1"


def test_every_step_stands_in_the_timeline(answers) -> None:
    whats = [row["what"] for row in answers["timeline"]]
    assert [what for what in whats if what in ("opened", "tripped", "acknowledged", "released", "resolved")] == [
        "opened", "tripped", "acknowledged", "released", "resolved",
    ]  # fmt: skip


def test_the_percentiles_of_other_signals(answers) -> None:
    cost = [row for row in answers["percentiles"] if row["signal"] == "cost_usd"]
    assert [(row["q"], row["before"], row["during"]) for row in cost] == [
        (q, pytest.approx(0.002, rel=0.01), pytest.approx(0.002, rel=0.01)) for q in (0.5, 0.95, 0.99)
    ]


def test_the_noise_of_the_month(answers) -> None:
    assert answers["noise"] == [{"rule": "errors", "fired": 1, "false_alarms": 0, "unacknowledged": 0}]
