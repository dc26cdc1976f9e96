"""The judge on a real ledger: lease, cursors, rows and messages in one transaction."""

import threading
from pathlib import Path

import pytest
from bench_of_checkpoints import RULES, Ledger, drained, errors, prepared, settings_of
from judging import HEAD
from sqlalchemy import Engine, insert, text
from sqlalchemy.exc import OperationalError

from monitor.errors import LeaseLost
from monitor.judge import session as session_module
from monitor.judge import store
from monitor.judge.session import Session
from monitor.killswitch import switches
from monitor.ledger.counted import topic_partition
from monitor.ledger.engine import retryable

CALM = [(100, 1)] * 60
FIRING = [(100, 60)] * 60


@pytest.fixture
def ledger(engine: Engine, tmp_path: Path) -> Ledger:
    return prepared(engine, settings_of(tmp_path), age_s=3_600)


def incidents(ledger: Ledger) -> list[tuple[object, ...]]:
    return ledger.rows("SELECT rule, stream, severity, state FROM tocsin.incidents ORDER BY opened_at")


def test_a_change_becomes_an_incident_its_message_and_its_reference(ledger: Ledger) -> None:
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, FIRING)
    drained(ledger.session())
    assert incidents(ledger) == [("errors", "chat-eu", "critical", "firing")]
    assert ledger.rows("SELECT labels FROM tocsin.incidents") == [({"model": "chat-eu"},)]
    assert ledger.rows("SELECT event, receiver FROM tocsin.deliveries ORDER BY created_at") == []
    found = ledger.rows("SELECT historical, reference_id IS NOT NULL, total > 100 FROM tocsin.incidents")
    assert found == [(True, True, True)]
    assert ledger.rows("SELECT state, learned FROM tocsin.streams WHERE stream = 'chat-eu'") == [
        ("watched", 1000)
    ]


def test_what_is_found_in_time_is_announced(engine: Engine, tmp_path: Path) -> None:
    ledger = prepared(engine, settings_of(tmp_path), age_s=1_200)
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, FIRING)
    drained(ledger.session())
    events = [e for (e,) in ledger.rows("SELECT event FROM tocsin.deliveries ORDER BY created_at")]
    assert events[0] == "opened"
    assert set(events) <= {"opened", "escalated"}


def test_panes_hold_every_record_also_of_open_ones(ledger: Ledger) -> None:
    ledger.store_errors(0, CALM)
    drained(ledger.session())
    assert ledger.rows("SELECT sum(n) FROM tocsin.panes") == [(6_000,)]
    assert ledger.rows("SELECT next_offset - judged_offset FROM tocsin.progress") == [(0,)]
    assert ledger.rows("SELECT sum(k), sum(n) FROM tocsin.rates WHERE signal = 'error'") == [(60, 6_000)]


def test_rule_2_only_the_holder_of_the_lease_judges(ledger: Ledger) -> None:
    first, second = ledger.session(), ledger.session()
    first.tick()
    second.tick()
    assert (first.leads, second.leads) == (True, False)


def test_rule_2_a_judge_that_lost_its_lease_commits_nothing(ledger: Ledger) -> None:
    first, second = ledger.session(), ledger.session()
    ledger.store_errors(0, CALM)
    drained(first)
    ledger.expire_lease()
    ledger.store_errors(60, FIRING)
    drained(second)
    before = ledger.rows("SELECT * FROM tocsin_ledger.judge_cursor")
    with pytest.raises(LeaseLost):
        first.tick()
    assert ledger.rows("SELECT * FROM tocsin_ledger.judge_cursor") == before
    assert len(incidents(ledger)) == 1


def test_rule_2_losing_the_lease_between_reading_and_writing_rolls_everything_back(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, other = ledger.session(), ledger.session()
    slow.tick()
    ledger.store_errors(0, CALM)
    advance = session_module.advance

    def stalled(*args: object) -> object:
        monkeypatch.setattr(session_module, "advance", advance)
        ledger.expire_lease()
        drained(other)
        return advance(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(session_module, "advance", stalled)
    with pytest.raises(LeaseLost):
        slow.tick()
    assert ledger.rows("SELECT sum(n) FROM tocsin.panes") == [(6_000,)]


FULL_DISK = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON tocsin_ledger.pane FOR EACH ROW EXECUTE FUNCTION full_disk()
"""


def test_a_disk_that_is_full_as_panes_are_written_is_waited_for_and_does_not_end_the_judge(
    ledger: Ledger, engine: Engine
) -> None:
    ledger.store_errors(0, CALM)
    judge = ledger.session()
    with engine.begin() as conn:
        conn.execute(text(FULL_DISK))
    with pytest.raises(OperationalError, match="No space left") as failed:
        drained(judge)
    assert retryable(failed.value)
    judge.drop()
    with engine.begin() as conn:
        conn.execute(text("DROP FUNCTION full_disk CASCADE"))
    ledger.expire_lease()
    drained(judge)
    assert ledger.rows("SELECT sum(n) FROM tocsin.panes") == [(6_000,)]


def test_the_next_judge_goes_on_from_the_ledger_and_decides_the_same(ledger: Ledger) -> None:
    for i in range(6):
        ledger.store_errors(i * 10, CALM[:10])
        judge = ledger.session()
        drained(judge)
        judge.resign()
    for i in range(6, 12):
        ledger.store_errors(i * 10, FIRING[:10])
        judge = ledger.session()
        drained(judge)
        judge.drop()
        ledger.expire_lease()
    assert incidents(ledger) == [("errors", "chat-eu", "critical", "firing")]
    assert ledger.rows("SELECT sum(n) FROM tocsin.panes") == [(12_000,)]


def test_a_tick_that_fails_before_its_commit_leaves_nothing_behind(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = ledger.session()
    judge.tick()
    ledger.store_errors(0, CALM)

    def refuse(*_: object) -> None:
        raise ConnectionError("cut before COMMIT")

    with monkeypatch.context() as broken:
        broken.setattr(store, "save", refuse)
        with pytest.raises(ConnectionError):
            judge.tick()
    assert ledger.rows("SELECT coalesce(sum(n), 0) FROM tocsin.panes") == [(0,)]
    judge.drop()
    ledger.expire_lease()
    drained(judge)
    assert ledger.rows("SELECT sum(n) FROM tocsin.panes") == [(6_000,)]


def test_rule_1_a_checkpoint_that_commits_between_taking_and_closing_waits_for_the_next_tick(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = ledger.session()
    judge.tick()
    ledger.store(errors(ledger.start_ms, [(10, 0)]), ledger.start_ms + 5_000, 10)
    advance = session_module.advance

    def barrier(*args: object) -> object:
        monkeypatch.setattr(session_module, "advance", advance)
        ledger.store(errors(ledger.start_ms, [(90, 0)]), ledger.start_ms + 60_000, 90)
        return advance(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(session_module, "advance", barrier)
    judge.tick()
    assert ledger.rows("SELECT sum(n) FROM tocsin.panes") == [(10,)]
    judge.tick()
    assert ledger.rows("SELECT sum(n), sum(late) FROM tocsin.panes") == [(100, 0)]


def test_rule_10_checkpoints_are_consumed_whole_in_order_and_without_a_gap(ledger: Ledger) -> None:
    ledger.store_errors(0, CALM[:10])
    ledger.seq[0] += 1
    ledger.store_errors(10, CALM[:10])
    drained(ledger.session())
    assert ledger.rows("SELECT seq FROM tocsin_ledger.judge_cursor") == [(1,)]


def test_rule_10_a_backlog_is_consumed_in_bounded_bites(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "MOST_BYTES", 1)
    for i in range(5):
        ledger.store_errors(i, CALM[:1])
    judge = ledger.session()
    assert judge.tick()[1]
    assert ledger.rows("SELECT seq FROM tocsin_ledger.judge_cursor") == [(1,)]
    drained(judge)
    assert ledger.rows("SELECT seq FROM tocsin_ledger.judge_cursor") == [(5,)]


def test_rule_10_a_bite_is_bounded_by_what_it_takes_in_memory_not_in_the_ledger(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        ledger.store_errors(20 * i, CALM[:20])
    ((stored,),) = ledger.rows("SELECT sum(length(deltas)) FROM tocsin_ledger.checkpoint")
    monkeypatch.setattr(session_module, "MOST_BYTES", int(stored) + 1)
    assert ledger.session().tick()[1]


def live(engine: Engine, tmp_path: Path) -> Ledger:
    """A ledger whose last panes end about now."""
    ledger = prepared(engine, settings_of(tmp_path), age_s=640)
    ledger.store_errors(0, CALM)
    return ledger


def test_a_total_failure_trips_the_switch_once_with_its_incident(engine: Engine, tmp_path: Path) -> None:
    ledger = live(engine, tmp_path)
    ledger.store_errors(60, [(200, 200)] * 3, slots=True)
    judge = ledger.session()
    drained(judge)
    drained(judge)
    assert ledger.rows("SELECT action, switch, stream FROM tocsin.kill_events") == [
        ("tripped", "chat", "chat-eu")
    ]
    tripped = ledger.rows(
        "SELECT k.state, i.rule, i.severity, i.kill_switch FROM tocsin.kill_switches k JOIN tocsin.incidents i "
        "USING (incident_id)"
    )
    assert tripped == [("tripped", "errors", "critical", "chat")]
    assert ("chat", "tripped") in ledger.rows("SELECT receiver, event FROM tocsin.deliveries")


def test_rule_5_a_backlog_that_is_not_caught_up_never_kills(engine: Engine, tmp_path: Path) -> None:
    ledger = live(engine, tmp_path)
    ledger.store_errors(60, [(200, 200)] * 3, slots=True, caught_up=False)
    drained(ledger.session())
    assert ledger.rows("SELECT * FROM tocsin.kill_events") == []


def test_rule_5_slots_that_a_late_judge_finds_too_old_never_kill(engine: Engine, tmp_path: Path) -> None:
    ledger = prepared(engine, settings_of(tmp_path), age_s=1_200)
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, [(200, 200)] * 40, slots=True)
    drained(ledger.session())
    assert ledger.rows("SELECT * FROM tocsin.kill_events") == []
    assert [r[0] for r in incidents(ledger)] == ["errors"]


def test_rule_5_after_a_release_the_same_evidence_does_not_trip_again(engine: Engine, tmp_path: Path) -> None:
    ledger = live(engine, tmp_path)
    ledger.store_errors(60, [(200, 200)] * 3, slots=True)
    judge = ledger.session()
    drained(judge)
    with engine.begin() as conn:
        switches.release(conn, ledger.settings.kill_switches["chat"], reason="mended", actor="test")
    ledger.store_errors(63, [(200, 0)], slots=True)
    drained(judge)
    assert ledger.rows("SELECT action FROM tocsin.kill_events ORDER BY sequence") == [
        ("tripped",),
        ("released",),
    ]


def test_a_removed_rule_closes_its_incident_as_expired_and_says_so(engine: Engine, tmp_path: Path) -> None:
    ledger = prepared(engine, settings_of(tmp_path), age_s=1_200)
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, FIRING)
    judge = ledger.session()
    drained(judge)
    judge.resign()
    ledger.settings = settings_of(tmp_path, "rules: [{name: silence, absent: 2m}]")
    drained(ledger.session())
    assert [r[3] for r in incidents(ledger)] == ["expired"]
    assert ("rule_removed",) in ledger.rows("SELECT detail FROM tocsin.timeline")
    assert "resolved" in {e for (e,) in ledger.rows("SELECT event FROM tocsin.deliveries")}


def test_rule_3_a_partition_that_stands_still_is_an_incident_of_tocsin(ledger: Ledger) -> None:
    judge = ledger.session()
    clock = ledger.start_ms + 3_600_000
    ledger.store(
        errors(ledger.start_ms, [(10, 0)]), ledger.start_ms, 10, partition=1, clock_ms=clock, caught_up=False
    )
    for second in (0, 30, 61):
        ledger.store(
            errors(ledger.start_ms, [(10, 0)]),
            ledger.start_ms + second * 1000,
            10,
            clock_ms=clock + second * 1000,
            caught_up=True,
        )
        drained(judge)
    assert "tocsin.stuck" in {r[0] for r in incidents(ledger)}


def test_a_topic_that_the_file_names_no_more_is_not_waited_for(ledger: Ledger) -> None:
    with ledger.engine.begin() as conn:
        old = {"topic_id": "00000000-0000-0000-0000-00000000000f", "partition": 0, "topic": "of-last-year"}
        conn.execute(insert(topic_partition).values(**old, next_offset=5, end_offset=900))
    session = ledger.session()
    for step in range(3):
        clock_ms = ledger.start_ms + 100_000 * (step + 1)
        ledger.store(errors(clock_ms - 10_000, [(10, 0)]), clock_ms, 10, clock_ms=clock_ms)
        session.tick()
    assert session.event_ms == ledger.start_ms + 300_000 - 3_000
    assert ledger.rows("SELECT rule FROM tocsin.incidents WHERE rule LIKE 'tocsin.%'") == []


def test_two_judges_at_once_come_to_the_sums_of_one(ledger: Ledger) -> None:
    judges = [ledger.session() for _ in range(2)]
    stop = threading.Event()

    def work(judge: Session) -> None:
        while not stop.is_set():
            try:
                judge.tick()
            except LeaseLost:
                judge.drop()
            stop.wait(0.01)

    threads = [threading.Thread(target=work, args=(j,)) for j in judges]
    for thread in threads:
        thread.start()
    for i in range(20):
        ledger.store_errors(i, CALM[:1])
        if i % 5 == 4:
            ledger.expire_lease()
    for _ in range(200):
        with ledger.engine.begin() as conn:
            if conn.execute(text("SELECT seq FROM tocsin_ledger.judge_cursor")).scalar() == 20:
                break
        stop.wait(0.05)
    stop.set()
    for thread in threads:
        thread.join()
    assert ledger.rows("SELECT sum(n), count(*) FROM tocsin.panes") == [(2_000, 20)]


def test_a_dry_run_keeps_its_incident_and_tells_nobody(engine: Engine, tmp_path: Path) -> None:
    ledger = prepared(
        engine, settings_of(tmp_path, RULES.replace("kill: chat", "dry_run: true")), age_s=1_200
    )
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, FIRING)
    drained(ledger.session())
    assert ledger.rows("SELECT rule, state, dry_run FROM tocsin.incidents") == [("errors", "firing", True)]
    assert ledger.rows("SELECT * FROM tocsin.deliveries") == []


def test_a_stream_is_judged_by_the_variant_of_a_rule_that_its_labels_choose(
    engine: Engine, tmp_path: Path
) -> None:
    lax = "rules: [{name: errors, signal: error, above: 5%, overrides: [{match: {model: chat-eu}, above: 20%}]}]"
    ledger = prepared(engine, settings_of(tmp_path, lax), age_s=1_200)
    ledger.store_errors(0, [(100, 10)] * 60)
    ledger.store_errors(60, [(100, 80)] * 60)
    drained(ledger.session())
    assert ledger.rows("SELECT rule, tolerance FROM tocsin.incidents") == [("errors", "20%")]


def test_links_titles_and_receivers_are_filled_in_for_the_stream(engine: Engine, tmp_path: Path) -> None:
    rules = """
links: {dashboard: "https://grafana.example/d?m={model}&from={onset_ms}"}
rules:
  - {name: errors, signal: error, above: 10%, title: "{model} fails", runbook: "https://wiki.example/{rule}",
     notify: ["{team}"]}
receivers: {default: {slack: {url: "https://s.example/x"}}, eu: {slack: {url: "https://s.example/y"}}}
streams: {labels: [{match: {model: "*-eu"}, set: {team: eu}}]}
"""
    head = HEAD.replace('receivers: {default: {slack: {url: "https://hooks.slack.example/x"}}}\n', "")
    ledger = prepared(engine, settings_of(tmp_path, rules, head), age_s=1_200)
    ledger.store_errors(0, FIRING)
    drained(ledger.session())
    [(facts, receiver)] = ledger.rows(
        "SELECT i.facts, d.receiver FROM tocsin_ledger.incident i JOIN tocsin.deliveries d USING (incident_id)"
    )
    assert receiver == "eu"
    assert (facts["title"], facts["runbook"]) == ("chat-eu fails", "https://wiki.example/errors")
    assert facts["links"] == [["Dashboard", f"https://grafana.example/d?m=chat-eu&from={facts['onset_ms']}"]]


def test_a_changed_limit_keeps_the_incident_and_a_rule_that_leaves_the_stream_ends_it(
    engine: Engine, tmp_path: Path
) -> None:
    ledger = prepared(engine, settings_of(tmp_path), age_s=1_200)
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, FIRING)
    judge = ledger.session()
    drained(judge)
    judge.reconfigure(settings_of(tmp_path, RULES.replace("10%", "11%")))
    drained(judge)
    assert (judge.leads, incidents(ledger)) == (True, [("errors", "chat-eu", "critical", "firing")])
    judge.reconfigure(settings_of(tmp_path, RULES.replace("chat-eu", "search")))
    drained(judge)
    assert [r[3] for r in incidents(ledger)] == ["expired"]
    assert "resolved" in {e for (e,) in ledger.rows("SELECT event FROM tocsin.deliveries")}
