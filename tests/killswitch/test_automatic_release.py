"""`release: auto after`: when a probe begins, how long it waits, and when it does no more."""

from datetime import timedelta

import pytest
from killing import hook, opened, trip_by_rule
from sqlalchemy import func, update

from monitor.config.model import Guard, Release
from monitor.killswitch.deciding import KillAction, State
from monitor.killswitch.states import state
from monitor.killswitch.switches import MOST_PROBES, TOCSIN, probe_due, release, trip
from monitor.ledger.decided import kill_event, kill_switch

AUTO = Release(after_ms=600_000, share=0.05, probe_ms=300_000)
KEY = ("chat", "")


@pytest.fixture
def chat(switch_called):
    return switch_called("chat", release=AUTO)


def aged(conn, minutes):
    """As if the switch's last change had been so long ago."""
    ago = func.clock_timestamp() - timedelta(minutes=minutes)
    conn.execute(update(kill_switch).values(since=ago))


def begun(conn, chat):
    return [s.state for s in probe_due(conn, {"chat": chat})]


def test_a_probe_begins_once_the_time_is_over_and_says_its_share(ledger, chat):
    with ledger.begin() as conn:
        opened(conn)
        tripped = trip_by_rule(conn, chat)
        aged(conn, 9)
        assert begun(conn, chat) == []
        aged(conn, 11)
        assert begun(conn, chat) == [State.PROBING]
        assert begun(conn, chat) == []
        now = state(conn)[KEY]
        body = hook(conn)[-1].payload
    assert (now.state, now.share, now.tripped, now.serves) == (State.PROBING, 0.05, False, False)
    assert now.sequence > tripped.sequence
    assert (body["state"], body["share"], body["sequence"]) == ("probing", 0.05, now.sequence)
    assert body["reason"] == "5% of the traffic for 5 min, probe 1"


def test_what_a_person_tripped_only_a_person_releases(ledger, chat):
    with ledger.begin() as conn:
        trip(conn, chat, stream="", reason="r", actor="ann")
        aged(conn, 10_000)
        assert begun(conn, chat) == []


def test_release_manual_never_probes(ledger, switch_called):
    with ledger.begin() as conn:
        opened(conn)
        trip_by_rule(conn, switch_called("chat"))
        aged(conn, 10_000)
        assert begun(conn, switch_called("chat")) == []


def failed_probes(conn, chat, number):
    """Trips and lets through so often; each probe fails at once."""
    trip_by_rule(conn, chat)
    for i in range(number):
        aged(conn, 11 * 2**i)
        assert begun(conn, chat) == [State.PROBING], i
        assert trip_by_rule(conn, chat).action is KillAction.TRIPPED


def test_the_wait_doubles_with_every_probe_that_failed(ledger, chat):
    with ledger.begin() as conn:
        opened(conn)
        failed_probes(conn, chat, 2)
        aged(conn, 39)
        assert begun(conn, chat) == []
        aged(conn, 41)
        assert begun(conn, chat) == [State.PROBING]


def test_after_the_last_probe_of_a_day_only_a_person_releases(ledger, chat):
    with ledger.begin() as conn:
        opened(conn)
        failed_probes(conn, chat, MOST_PROBES)
        aged(conn, 100_000)
        assert begun(conn, chat) == []
        release(conn, chat, reason="mended", actor="ann")
        trip_by_rule(conn, chat)
        aged(conn, 11)
        assert begun(conn, chat) == [State.PROBING]


def test_an_automatic_release_does_not_begin_the_count_afresh(ledger, chat):
    with ledger.begin() as conn:
        opened(conn)
        failed_probes(conn, chat, MOST_PROBES - 1)
        aged(conn, 11 * 2**MOST_PROBES)
        assert begun(conn, chat) == [State.PROBING]
        release(conn, chat, reason="the probe was good", actor=TOCSIN)
        trip_by_rule(conn, chat)
        aged(conn, 100_000)
        assert begun(conn, chat) == []


def test_probes_of_more_than_a_day_ago_count_no_more(ledger, chat):
    with ledger.begin() as conn:
        opened(conn)
        failed_probes(conn, chat, MOST_PROBES)
        conn.execute(update(kill_event).values(at=func.clock_timestamp() - timedelta(hours=25)))
        aged(conn, 11)
        assert begun(conn, chat) == [State.PROBING]


def test_a_probe_that_fails_is_tripped_whatever_the_guard_says(ledger, switch_called):
    guard = Guard(at_most=1, within_ms=3_600_000, min_n=20, fresh_ms=60_000)
    chat, other = switch_called("chat", guard, release=AUTO), switch_called("other", guard)
    with ledger.begin() as conn:
        opened(conn)
        trip_by_rule(conn, chat)
        conn.execute(update(kill_event).values(at=func.clock_timestamp() - timedelta(hours=2)))
        aged(conn, 120)
        assert begun(conn, chat) == [State.PROBING]
        assert trip_by_rule(conn, other, "second").action is KillAction.TRIPPED
        assert trip_by_rule(conn, chat).action is KillAction.TRIPPED


@pytest.mark.parametrize("by", ["ann", TOCSIN])
def test_a_probe_can_be_released_and_tripped_by_hand(ledger, chat, by):
    with ledger.begin() as conn:
        opened(conn)
        trip_by_rule(conn, chat)
        aged(conn, 11)
        begun(conn, chat)
        assert release(conn, chat, reason="r", actor=by).action is KillAction.RELEASED
        assert state(conn)[KEY].serves
        assert state(conn)[KEY].share is None
