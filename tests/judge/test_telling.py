"""Who is told of incidents, and when: pages, silences, mutes, flapping, telling again, digests."""

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from bench_of_checkpoints import Ledger, drained, errors, prepared, settings_of
from judging import HEAD
from sqlalchemy import Engine, insert

from monitor.judge.session import Session
from monitor.ledger import silences
from monitor.ledger.counted import stream
from monitor.ledger.incidents import acknowledge
from monitor.records.delta import Delta

CALM = [(100, 1)] * 60
FIRING = [(100, 100)] * 60
RULE = "reference: {learn: 1000, at_least: 0s}\nrules: [{name: errors, signal: error, above: 5%}]\n"
SILENT = {"model": ("chat-eu",)}


PATIENT = HEAD.replace("clear_for: 1m", "clear_for: 1m, fresh: 2h")


def ledger_of(engine: Engine, folder: Path, rules: str = RULE) -> Ledger:
    """A ledger with ten calm minutes of stream 1."""
    ledger = prepared(engine, settings_of(folder, rules, PATIENT), age_s=2_400)
    ledger.store_errors(0, CALM)
    return ledger


def tick_at(ledger: Ledger, judge: Session, minutes: float, clock_m: float | None = None) -> None:
    """Let the judge hear that it is `minutes` after the start of the story, without records."""
    at = ledger.start_ms + round(minutes * 60_000)
    clock_ms = time.time_ns() // 1_000_000 + round((clock_m or 0) * 60_000)
    ledger.store(Delta(), at, 0, clock_ms=clock_ms)
    drained(judge)


def messages(ledger: Ledger) -> list[tuple[object, ...]]:
    query = "SELECT d.event, d.state FROM tocsin.deliveries d JOIN tocsin.incidents i USING (incident_id) "
    return ledger.rows(query + "WHERE i.stream <> '(tocsin)' ORDER BY d.created_at, d.event")


def silenced(engine: Engine, for_s: int = 3_600) -> str:
    with engine.begin() as conn:
        return silences.add(conn, SILENT, for_ms=for_s * 1000, author="ana", reason="we deploy")


def timeline(ledger: Ledger, what: str) -> list[object]:
    return [d for (d,) in ledger.rows(f"SELECT detail FROM tocsin.timeline WHERE what = '{what}'")]


def test_nobody_is_told_while_a_silence_lasts_and_it_is_written_down(engine: Engine, tmp_path: Path) -> None:
    ledger = ledger_of(engine, tmp_path)
    made = silenced(engine)
    ledger.store_errors(60, FIRING)
    drained(ledger.session())
    assert messages(ledger) == [("opened", "suppressed")]
    assert timeline(ledger, "suppressed") == [f"opened: silence {made} by ana: we deploy"]


def test_who_still_fires_when_the_silence_ends_is_told_then_once(engine: Engine, tmp_path: Path) -> None:
    ledger = ledger_of(engine, tmp_path)
    made = silenced(engine)
    ledger.store_errors(60, FIRING)
    judge = ledger.session()
    drained(judge)
    with engine.begin() as conn:
        assert silences.expire(conn, made, "ben")
        assert not silences.expire(conn, made, "ben")
    for _ in range(3):
        tick_at(ledger, judge, 20)
    assert messages(ledger) == [("opened", "suppressed"), ("opened", "pending")]


def test_what_ended_in_the_silence_is_never_told(engine: Engine, tmp_path: Path) -> None:
    ledger = ledger_of(engine, tmp_path)
    made = silenced(engine)
    ledger.store_errors(60, FIRING[:40])
    ledger.store_errors(100, [(100, 0)] * 90)
    judge = ledger.session()
    drained(judge)
    with engine.begin() as conn:
        silences.expire(conn, made, "ben")
    tick_at(ledger, judge, 32)
    assert ledger.rows("SELECT state FROM tocsin.incidents") == [("resolved",)]
    assert messages(ledger) == [("opened", "suppressed")]


def test_a_resolve_is_sent_although_a_silence_has_begun(engine: Engine, tmp_path: Path) -> None:
    ledger = ledger_of(engine, tmp_path)
    ledger.store_errors(60, FIRING[:40])
    judge = ledger.session()
    drained(judge)
    silenced(engine)
    ledger.store_errors(100, [(100, 0)] * 90)
    drained(judge)
    assert messages(ledger) == [("opened", "pending"), ("resolved", "pending")]


def test_a_mute_holds_in_its_hours_only(engine: Engine, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    first, last = (f"{now + timedelta(hours=h):%H}:00" for h in (-1, 2))
    mute = f'mutes: [{{name: tonight, match: {{severity: warning}}, during: "{first}-{last}"}}]\n'
    ledger = ledger_of(engine, tmp_path, RULE + mute)
    ledger.store_errors(60, FIRING)
    judge = ledger.session()
    drained(judge)
    assert timeline(ledger, "suppressed") == ["opened: mute tonight"]
    tick_at(ledger, judge, 20, clock_m=240)
    assert messages(ledger) == [("opened", "suppressed"), ("opened", "pending")]


def also(engine: Engine, *models: str) -> list[int]:
    with engine.begin() as conn:
        rows = [{"key": m, "labels": {"model": m}} for m in models]
        return list(conn.execute(insert(stream).returning(stream.c.stream_id), rows).scalars())


def test_a_dead_topic_is_one_page_for_all_streams_and_one_end(engine: Engine, tmp_path: Path) -> None:
    rules = "rules: [{name: silence, absent: 2m}]"
    ledger = prepared(engine, settings_of(tmp_path, rules, PATIENT), age_s=2_400)
    ids = [1, *also(engine, "a", "b", "c")]
    everybody = errors(ledger.start_ms, [(10, 0)])
    cells = everybody.cells
    many = {f: np.tile(getattr(cells, f), 4) for f in cells.__slots__}
    many["stream"] = np.repeat(ids, len(cells.stream))
    everybody = replace(everybody, cells=type(cells)(**many))
    judge = ledger.session()
    ledger.store(everybody, ledger.start_ms + 9_999, 40)
    tick_at(ledger, judge, 5)
    assert ledger.rows("SELECT count(*) FROM tocsin.incidents") == [(4,)]
    assert messages(ledger) == [("opened", "pending")]
    [(payload,)] = ledger.rows("SELECT payload FROM tocsin_ledger.delivery")
    assert payload["also_n"] == 3
    assert len(timeline(ledger, "grouped")) == 3
    later = replace(
        everybody, cells=replace(everybody.cells, pane=many["pane"] + 36, evidence=many["pane"] + 36)
    )
    ledger.store(later, ledger.start_ms + 7 * 60_000, 40)
    drained(judge)
    assert messages(ledger) == [("opened", "pending"), ("resolved", "pending")]
    [(payload,)] = ledger.rows("SELECT payload FROM tocsin_ledger.delivery WHERE event = 'resolved'")
    assert (payload["also_n"], payload.get("left")) == (3, None)


TWO = """
reference: {learn: 1000, at_least: 0s}
rules:
  - {name: errors, signal: error, above: {warning: 5%}}
  - {name: worse, signal: error, above: {SECOND: 6%}, clear_for: 2m}
"""


def test_rules_of_one_stream_that_began_together_share_a_lane(engine: Engine, tmp_path: Path) -> None:
    ledger = ledger_of(engine, tmp_path, TWO.replace("SECOND", "warning"))
    ledger.store_errors(60, FIRING)
    drained(ledger.session())
    lanes = ledger.rows(
        "SELECT count(DISTINCT lane), count(DISTINCT incident_id) FROM tocsin_ledger.delivery"
    )
    assert ledger.rows("SELECT count(*) FROM tocsin.incidents") == [(2,)]
    assert lanes[0][0] == 1


def test_what_is_severer_than_the_page_has_one_of_its_own(engine: Engine, tmp_path: Path) -> None:
    ledger = ledger_of(engine, tmp_path, TWO.replace("SECOND", "critical"))
    ledger.store_errors(60, FIRING)
    drained(ledger.session())
    found = ledger.rows("SELECT rule, group_id IS NULL FROM tocsin_ledger.incident ORDER BY 1")
    assert dict(found)["worse"] is True


def test_what_comes_back_within_clear_for_is_the_same_incident_and_quiet(
    engine: Engine, tmp_path: Path
) -> None:
    ledger = ledger_of(engine, tmp_path, RULE.replace("5%", "5%, clear_for: 10m"))
    judge = ledger.session()
    ledger.store_errors(60, FIRING[:40])
    ledger.store_errors(100, [(100, 0)] * 70)
    drained(judge)
    assert ledger.rows("SELECT state FROM tocsin.incidents") == [("resolved",)]
    ledger.store_errors(170, [(100, 100)] * 40)
    drained(judge)
    assert ledger.rows("SELECT state, reopened FROM tocsin_ledger.incident") == [("firing", 1)]
    assert messages(ledger) == [("opened", "pending"), ("resolved", "pending")]
    tick_at(ledger, judge, 35, clock_m=11)
    assert messages(ledger) == [("opened", "pending"), ("resolved", "pending"), ("opened", "pending")]
    [(payload,)] = ledger.rows(
        "SELECT d.payload FROM tocsin_ledger.delivery d JOIN tocsin.incidents i USING (incident_id) "
        "WHERE i.stream <> '(tocsin)' ORDER BY d.position DESC LIMIT 1"
    )
    assert payload["back"] is True


def test_what_still_fires_is_told_again_until_somebody_has_it(engine: Engine, tmp_path: Path) -> None:
    ledger = ledger_of(engine, tmp_path, RULE.replace("5%", "5%, renotify: 4h"))
    ledger.store_errors(60, FIRING)
    judge = ledger.session()
    drained(judge)
    tick_at(ledger, judge, 20, clock_m=239)
    assert len(messages(ledger)) == 1
    tick_at(ledger, judge, 20, clock_m=241)
    assert messages(ledger) == [("opened", "pending")] * 2
    with engine.begin() as conn:
        [(found,)] = ledger.rows("SELECT incident_id FROM tocsin.incidents WHERE rule = 'errors'")
        acknowledge(conn, str(found), "ana")
    tick_at(ledger, judge, 20, clock_m=600)
    assert len(messages(ledger)) == 2


def test_what_was_found_late_is_one_digest_once_the_judge_is_in_the_present(
    engine: Engine, tmp_path: Path
) -> None:
    ledger = prepared(engine, settings_of(tmp_path, TWO.replace("SECOND", "warning")), age_s=7_200)
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, FIRING)
    judge = ledger.session()
    drained(judge)
    assert messages(ledger) == []
    for _ in range(2):
        tick_at(ledger, judge, 115)
    assert messages(ledger) == [("opened", "pending")]
    [(payload,)] = ledger.rows("SELECT payload FROM tocsin_ledger.delivery")
    assert (payload["digest"]["n"], payload["historical"]) == (2, True)
