"""What resolves and comes back soon: each time that it ends or grows is told once, and only where its return was."""

import time
from dataclasses import replace
from pathlib import Path

from bench_of_checkpoints import drained, prepared, settings_of
from sqlalchemy import Engine
from test_telling import CALM, FIRING, PATIENT, RULE, messages, silenced, tick_at

from monitor.config.rule import Severity
from monitor.judge import reminding, telling
from monitor.judge.compiling import compile_plan
from monitor.judge.quiet import Quiet
from monitor.judge.standing import Mark, Message, Standing, View
from monitor.ledger.incidents import FLAPPING, fires
from monitor.ledger.outbox import Addressee

SLACK = Addressee("default", "slack")
SLOW_TO_CLEAR = RULE.replace("5%", "5%, clear_for: 10m")
OPENED, ENDED = ("opened", "pending"), ("resolved", "pending")
BACK = Standing(
    incident_id="k3v9q2m7ab",
    rule="errors",
    stream="chat-eu",
    signal="error",
    severity=Severity.CRITICAL,
    labels={"model": "chat-eu"},
    summary="31% of requests fail",
    onset_ms=0,
    reopened=1,
)


def view_of(folder: Path, *firing: Standing, now_ms: int = 3_600_000) -> View:
    config = settings_of(folder, RULE)
    rules = compile_plan(config).rules
    return View(config, rules, Quiet((), (), now_ms), now_ms, firing, lambda page: [SLACK])


def test_what_ends_and_comes_back_within_one_tick_is_told_to_have_ended(
    engine: Engine, tmp_path: Path
) -> None:
    ledger = prepared(engine, settings_of(tmp_path, SLOW_TO_CLEAR, PATIENT), age_s=4_200)
    judge = ledger.session()
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, FIRING[:40])
    drained(judge)
    ledger.store_errors(100, [(100, 0)] * 70)
    ledger.store_errors(170, FIRING[:30])
    drained(judge)
    assert ledger.rows("SELECT state, reopened FROM tocsin_ledger.incident") == [("firing", 1)]
    assert messages(ledger) == [OPENED, ENDED]


def test_a_silence_does_not_make_the_end_of_an_untold_return_news(engine: Engine, tmp_path: Path) -> None:
    ledger = prepared(engine, settings_of(tmp_path, SLOW_TO_CLEAR, PATIENT), age_s=4_200)
    judge = ledger.session()
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, FIRING[:40])
    ledger.store_errors(100, [(100, 0)] * 70)
    ledger.store_errors(170, FIRING[:30])
    drained(judge)
    silenced(engine)
    tick_at(ledger, judge, 34, clock_m=11)
    ledger.store_errors(204, [(100, 0)] * 200, clock_ms=time.time_ns() // 1_000_000 + 11 * 60_000)
    drained(judge)
    assert ledger.rows("SELECT state FROM tocsin.incidents WHERE rule = 'errors'") == [("resolved",)]
    assert messages(ledger) == [OPENED, ENDED]


def test_what_grows_again_after_a_return_is_another_message(tmp_path: Path) -> None:
    first, again = replace(BACK, reopened=0), BACK
    view = view_of(tmp_path, again)
    keys = [[s.key for s in telling.escalated(view, one) if isinstance(s, Message)] for one in (first, again)]
    assert keys == [["critical"], ["reopened/1/critical"]]


def test_growing_makes_a_return_that_nobody_was_told_of_known(tmp_path: Path) -> None:
    quiet = replace(BACK, held_back=FLAPPING, notified_ms=0)
    steps = telling.escalated(view_of(tmp_path, quiet), quiet)
    assert steps == [
        Mark(BACK.incident_id, {"held_back": None, "notified_ms": 3_600_000}),
        Message(BACK.incident_id, "opened", (SLACK,), "reopened/1", {"back": True}),
    ]


def test_what_is_told_again_after_a_return_is_another_message_too(tmp_path: Path) -> None:
    held = replace(BACK, held_back="mute night")
    steps = reminding.released(view_of(tmp_path, held))
    assert [s.key for s in steps if isinstance(s, Message)] == ["reopened/1/critical/late/3600000"]


def test_a_quiet_return_that_pulls_a_switch_is_told_and_so_is_its_end(tmp_path: Path) -> None:
    quiet = replace(BACK, held_back=FLAPPING, notified_ms=0)
    view = view_of(tmp_path, quiet)
    [mark, told] = telling.pulling(view, quiet)
    assert (told.event, told.extra) == ("opened", {"back": True})
    known = view.after([mark]).firing
    assert [s.event for s in telling.ended(view, known)] == ["resolved"]
    assert telling.ended(view, [quiet]) == []


def test_what_came_back_quietly_does_not_keep_its_page_open(tmp_path: Path) -> None:
    leader = replace(BACK, incident_id="leader", reopened=0, fires=False)
    member = replace(BACK, group_id="leader", held_back=FLAPPING)
    [told] = telling.ended(view_of(tmp_path, member), [leader])
    assert (told.event, told.extra) == ("resolved", {})


def test_news_of_a_switch_is_no_news_of_a_return_that_nobody_was_told_of(
    engine: Engine, tmp_path: Path
) -> None:
    ledger = prepared(engine, settings_of(tmp_path, SLOW_TO_CLEAR, PATIENT), age_s=3_000)
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, FIRING[:40])
    ledger.store_errors(100, [(100, 0)] * 70)
    ledger.store_errors(170, FIRING[:30])
    drained(ledger.session())
    with engine.begin() as conn:
        [(found,)] = ledger.rows("SELECT incident_id FROM tocsin_ledger.incident WHERE reopened = 1")
        assert not fires(conn, str(found))
