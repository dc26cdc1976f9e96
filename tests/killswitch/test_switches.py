"""Trip and release: one state, one event and one webhook in the caller's transaction."""

import threading

import pytest
from killing import EVIDENCE_MS, hook, opened, trip_by_rule
from sqlalchemy import func, select

from monitor.config.model import Guard
from monitor.killswitch.deciding import KillAction
from monitor.killswitch.states import confirm, is_confirmed, state
from monitor.killswitch.switches import release, send_again, trip
from monitor.ledger.decided import delivery, incident, kill_event, kill_switch, timeline
from monitor.ledger.moments import instant_ms, millis


def trip_by_hand(conn, switch, reason="it lies"):
    return trip(conn, switch, stream="chat-eu", reason=reason, actor="ann")


def test_a_trip_writes_state_event_and_the_webhook_body_of_the_contract(ledger, switch_called):
    with ledger.begin() as conn:
        opened(conn)
        outcome = trip_by_rule(conn, switch_called("chat"))
        row = conn.execute(select(kill_switch)).one()
        event = conn.execute(select(kill_event)).one()
        (sent,) = hook(conn)
    assert (outcome.action, outcome.new) == (KillAction.TRIPPED, True)
    assert (row.switch, row.stream, row.state, row.mode, row.target) == (
        "chat",
        "chat-eu",
        "tripped",
        "degrade",
        "rules-v3",
    )
    assert row.confirmed_at is None
    assert (event.kill_id, event.action, event.sequence) == (outcome.kill_id, "tripped", row.sequence)
    assert millis(event.evidence_until) == EVIDENCE_MS
    assert (sent.kind, sent.receiver, sent.event, sent.kill_id) == (
        "kill",
        "chat",
        "tripped",
        outcome.kill_id,
    )
    assert sent.payload == {
        "switch": "chat",
        "stream": "chat-eu",
        "state": "tripped",
        "mode": "degrade",
        "target": "rules-v3",
        "share": None,
        "sequence": row.sequence,
        "reason": "96% of requests fail, was 0.4%",
        "incident_id": "k3v9q2m7ab",
        "actor": "rule errors",
        "at": sent.payload["at"],
        "evidence_until": "2025-11-22T02:53:20.000Z",
        "not_after": sent.payload["not_after"],
    }
    assert instant_ms(sent.payload["at"]) == row.sequence
    assert instant_ms(sent.payload["not_after"]) == millis(sent.not_after) == row.sequence + 360_000


def test_a_trip_stands_in_its_incident_and_in_the_timeline(ledger, switch_called):
    with ledger.begin() as conn:
        opened(conn)
        trip_by_rule(conn, switch_called("chat"))
        assert conn.execute(select(incident.c.kill_switch)).scalar_one() == "chat"
        steps = conn.execute(select(timeline.c.what).order_by(timeline.c.timeline_id)).scalars().all()
    assert steps == ["opened", "tripped"]


def test_tripping_again_changes_nothing(ledger, switch_called):
    with ledger.begin() as conn:
        first = trip_by_hand(conn, switch_called("chat"))
    with ledger.begin() as conn:
        again = trip_by_hand(conn, switch_called("chat"))
        assert conn.execute(select(func.count()).select_from(kill_event)).scalar() == 1
    assert (again.action, again.new, again.sequence) == (KillAction.ALREADY, False, first.sequence)


def test_a_switch_has_one_state_whichever_stream_trips_it(ledger, switch_called):
    chat = switch_called("chat")
    with ledger.begin() as conn:
        trip(conn, chat, stream="chat-eu", reason="r", actor="ann")
        second = trip(conn, chat, stream="chat-us", reason="r", actor="ann")
        release(conn, chat, reason="mended", actor="ann")
        trip(conn, chat, stream="chat-us", reason="r", actor="ann")
        assert [(s.switch, s.stream, s.tripped) for s in state(conn).values()] == [("chat", "chat-us", True)]
        assert conn.execute(select(func.count()).select_from(kill_switch)).scalar() == 1
    assert second.action is KillAction.ALREADY


def test_a_release_supersedes_a_trip_that_still_waits(ledger, switch_called):
    with ledger.begin() as conn:
        trip_by_hand(conn, switch_called("chat"))
    with ledger.begin() as conn:
        outcome = release(conn, switch_called("chat"), reason="false alarm", actor="bob")
        tripped, released = hook(conn)
    assert outcome.action is KillAction.RELEASED
    assert (tripped.state, released.state) == ("superseded", "pending")
    assert released.payload["state"] == "released"
    assert released.payload["stream"] == "chat-eu"
    assert released.not_after is None
    assert released.payload["sequence"] > tripped.payload["sequence"]


@pytest.mark.parametrize("tripped_before", [False, True])
def test_releasing_what_serves_changes_nothing(ledger, switch_called, tripped_before):
    chat = switch_called("chat")
    with ledger.begin() as conn:
        if tripped_before:
            trip_by_hand(conn, chat)
            release(conn, chat, reason="r", actor="ann")
        before = len(hook(conn))
        outcome = release(conn, chat, reason="r", actor="ann")
        assert len(hook(conn)) == before
    assert (outcome.action, outcome.new) == (KillAction.ALREADY, False)


def test_rule_7_a_sequence_grows_also_where_the_clock_went_back(ledger, switch_called):
    ahead = 9_999_999_999_999
    with ledger.begin() as conn:
        trip_by_hand(conn, switch_called("chat"))
        conn.execute(kill_switch.update().values(sequence=ahead))
        assert release(conn, switch_called("chat"), reason="r", actor="ann").sequence == ahead + 1


def test_rule_7_a_ledger_that_went_back_sends_its_state_under_a_new_number(ledger, switch_called):
    chat = switch_called("chat")
    with ledger.begin() as conn:
        first = trip_by_hand(conn, chat)
        (again,) = send_again(conn, chat, reason="the ledger went back", actor="tocsin")
        assert [row.state for row in hook(conn)] == ["superseded", "pending"]
        assert hook(conn)[-1].payload["state"] == "tripped"
        assert send_again(conn, switch_called("never"), reason="r", actor="tocsin") == []
    assert again.sequence > first.sequence


def test_the_guard_holds_a_second_switch_back_and_says_so_once(ledger, switch_called):
    with ledger.begin() as conn:
        opened(conn)
        opened(conn, "held234567")
        trip_by_rule(conn, switch_called("chat"))
    outcomes = []
    for _ in range(3):
        with ledger.begin() as conn:
            outcomes.append(trip_by_rule(conn, switch_called("other"), "held234567"))
    with ledger.begin() as conn:
        assert ("other", "") not in state(conn)
        assert hook(conn, "other") == []
        events = (
            conn.execute(select(kill_event.c.action).where(kill_event.c.switch == "other")).scalars().all()
        )
        told = conn.execute(select(delivery).where(delivery.c.event == "escalated")).all()
    assert [o.action for o in outcomes] == [KillAction.HELD_BY_GUARD] * 3
    assert [o.new for o in outcomes] == [True, False, False]
    assert events == ["held_by_guard"]
    assert [(row.receiver, row.payload["kill"]["state"]) for row in told] == [("default", "held_by_guard")]


def test_the_guard_counts_distinct_switches_and_not_trips_by_hand(ledger, switch_called):
    chat = switch_called("chat")
    with ledger.begin() as conn:
        trip_by_hand(conn, switch_called("by-hand"))
        for number in range(3):
            incident_id = f"again{number}"
            assert trip_by_rule(conn, chat, incident_id).action is KillAction.TRIPPED
            release(conn, chat, reason="r", actor="ann")
        assert trip_by_hand(conn, switch_called("third")).action is KillAction.TRIPPED


def test_the_guard_forgets_what_was_longer_ago_than_within(ledger, switch_called):
    guard = Guard(at_most=1, within_ms=1_000, min_n=20, fresh_ms=60_000)
    with ledger.begin() as conn:
        trip_by_rule(conn, switch_called("chat", guard))
        conn.execute(
            kill_event.update().values(at=func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, 2))
        )
        assert trip_by_rule(conn, switch_called("other", guard), "second").action is KillAction.TRIPPED


def test_only_the_current_state_is_confirmed(ledger, switch_called):
    chat = switch_called("chat")
    with ledger.begin() as conn:
        old = trip_by_hand(conn, chat).sequence
        new = release(conn, chat, reason="r", actor="ann").sequence
        assert confirm(conn, "chat", old) is False
        assert is_confirmed(conn, "chat", new) is False
        assert confirm(conn, "chat", new) is True
        assert confirm(conn, "chat", new) is False
        assert is_confirmed(conn, "chat", new) is True


def test_a_trip_that_is_rolled_back_leaves_nothing(ledger, switch_called):
    conn = ledger.connect()
    transaction = conn.begin()
    trip_by_hand(conn, switch_called("chat"))
    transaction.rollback()
    conn.close()
    with ledger.begin() as after:
        assert state(after) == {}
        assert hook(after) == []


def test_two_who_trip_at_once_make_one_event(ledger, switch_called):
    together, outcomes = threading.Barrier(4), []

    def one(number):
        together.wait()
        with ledger.begin() as conn:
            outcomes.append(trip(conn, switch_called("chat"), stream=f"s{number}", reason="r", actor="a"))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(o.action for o in outcomes) == [KillAction.ALREADY] * 3 + [KillAction.TRIPPED]
    with ledger.begin() as conn:
        assert conn.execute(select(func.count()).select_from(kill_event)).scalar() == 1
