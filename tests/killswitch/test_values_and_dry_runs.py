"""A switch with a state for each model, dry runs, and the guard over both."""

import pytest
from killing import hook, opened, trip_by_rule
from sqlalchemy import select

from monitor.config.model import Guard
from monitor.killswitch.deciding import KillAction
from monitor.killswitch.states import confirm, state
from monitor.killswitch.switches import release, send_again, trip
from monitor.ledger.decided import delivery, kill_event


@pytest.fixture
def per_model(switch_called):
    return switch_called("chat", per=("model",))


def test_each_value_has_a_state_a_lane_and_a_sequence_of_one_row(ledger, per_model):
    with ledger.begin() as conn:
        first = trip(conn, per_model, stream="chat-eu", reason="r", actor="ann")
        second = trip(conn, per_model, stream="chat-us", reason="r", actor="ann")
        release(conn, per_model, stream="chat-eu", reason="mended", actor="ann")
        now = state(conn)
        lanes = conn.execute(select(delivery.c.lane).order_by(delivery.c.position)).scalars().all()
    assert {key: s.tripped for key, s in now.items()} == {
        ("chat", "chat-eu"): False,
        ("chat", "chat-us"): True,
    }
    assert first.sequence < second.sequence < now["chat", "chat-eu"].sequence
    assert lanes == ["switch/chat/chat-eu", "switch/chat/chat-us", "switch/chat/chat-eu"]


def test_a_release_withdraws_only_what_waits_for_its_own_value(ledger, per_model):
    with ledger.begin() as conn:
        trip(conn, per_model, stream="chat-eu", reason="r", actor="ann")
        trip(conn, per_model, stream="chat-us", reason="r", actor="ann")
        release(conn, per_model, stream="chat-eu", reason="r", actor="ann")
        states = conn.execute(select(delivery.c.state).order_by(delivery.c.position)).scalars().all()
    assert states == ["superseded", "pending", "pending"]


def test_a_confirmation_is_of_one_value(ledger, per_model):
    with ledger.begin() as conn:
        first = trip(conn, per_model, stream="chat-eu", reason="r", actor="ann")
        trip(conn, per_model, stream="chat-us", reason="r", actor="ann")
        assert confirm(conn, "chat", first.sequence)
        now = state(conn)
    assert now["chat", "chat-eu"].confirmed_ms is not None
    assert now["chat", "chat-us"].confirmed_ms is None


def test_the_guard_counts_distinct_values(ledger, switch_called):
    per_model = switch_called("chat", Guard(2, 3_600_000, 20, 60_000), per=("model",))
    with ledger.begin() as conn:
        actions = [
            trip_by_rule(conn, per_model, f"incident{i}", stream=model).action
            for i, model in enumerate(["a", "b", "c", "a"])
        ]
    assert actions == [
        KillAction.TRIPPED,
        KillAction.TRIPPED,
        KillAction.HELD_BY_GUARD,
        KillAction.ALREADY,
    ]


def test_a_ledger_that_went_back_sends_every_value_again(ledger, per_model):
    with ledger.begin() as conn:
        trip(conn, per_model, stream="chat-eu", reason="r", actor="ann")
        trip(conn, per_model, stream="chat-us", reason="r", actor="ann")
        before = max(s.sequence for s in state(conn).values())
        again = send_again(conn, per_model, reason="the ledger went back", actor="tocsin")
    assert [o.action for o in again] == [KillAction.TRIPPED] * 2
    assert all(o.sequence > before for o in again)


@pytest.mark.parametrize("where", ["switch", "rule"])
def test_a_dry_run_says_once_what_it_would_have_done(ledger, switch_called, where):
    chat = switch_called("chat", dry_run=where == "switch")
    with ledger.begin() as conn:
        opened(conn)
    outcomes = []
    for _ in range(3):
        with ledger.begin() as conn:
            outcomes.append(trip_by_rule(conn, chat, dry_run=where == "rule"))
    with ledger.begin() as conn:
        assert state(conn) == {}
        assert hook(conn) == []
        told = conn.execute(select(delivery).where(delivery.c.event == "escalated")).all()
        actions = conn.execute(select(kill_event.c.action)).scalars().all()
    assert [(o.action, o.new) for o in outcomes] == [
        (KillAction.WOULD_TRIP, True),
        (KillAction.WOULD_TRIP, False),
        (KillAction.WOULD_TRIP, False),
    ]
    assert actions == ["would_trip"]
    assert [row.payload["kill"]["state"] for row in told] == ["would_trip"]


def test_a_person_who_trips_means_it_also_in_a_dry_run(ledger, switch_called):
    with ledger.begin() as conn:
        chat = switch_called("chat", dry_run=True)
        assert trip(conn, chat, stream="", reason="r", actor="ann").action is KillAction.TRIPPED
