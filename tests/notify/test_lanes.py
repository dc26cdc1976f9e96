"""Rule 6: what is due is claimed, in the order of its lane, by one worker, for a while."""

from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from monitor.ledger.decided import delivery
from monitor.ledger.outbox import enqueue, supersede
from monitor.notify import lanes


def put(conn, event, *, receiver="slack", incident="inc1", kind="slack", kill=None, not_after_ms=None):
    enqueue(
        conn,
        incident_id=incident,
        kill_id=kill,
        receiver=receiver,
        kind=kind,
        event=event,
        payload={},
        not_after_ms=not_after_ms,
    )


def claimed(ledger, busy=None, most_each=4, lease_s=30.0):
    with ledger.begin() as conn:
        return lanes.claim(conn, busy or {}, most_each=most_each, lease_s=lease_s)


def end(ledger, sent, state="delivered"):
    with ledger.begin() as conn:
        return lanes.record(conn, sent, {"state": state})


def states(ledger):
    with ledger.begin() as conn:
        return conn.execute(select(delivery.c.state).order_by(delivery.c.position)).scalars().all()


def later(ledger, seconds):
    """As if `seconds` had passed: all times of the outbox move into the past."""
    past = timedelta(seconds=seconds)
    with ledger.begin() as conn:
        conn.execute(
            update(delivery).values(
                next_attempt_at=delivery.c.next_attempt_at - past,
                claimed_until=delivery.c.claimed_until - past,
                not_after=delivery.c.not_after - past,
                created_at=delivery.c.created_at - past,
            )
        )


@pytest.mark.parametrize("final", ["delivered", "failed", "expired", "superseded"])
def test_an_event_waits_until_the_one_before_it_is_done(ledger, final):
    with ledger.begin() as conn:
        for event in ("opened", "escalated", "resolved"):
            put(conn, event)
    (first,) = claimed(ledger)
    assert first.event == "opened"
    assert claimed(ledger) == []
    end(ledger, first, final)
    (second,) = claimed(ledger)
    assert second.event == "escalated"


def test_an_event_in_backoff_keeps_the_later_ones_waiting(ledger):
    with ledger.begin() as conn:
        put(conn, "opened")
        put(conn, "resolved")
    (first,) = claimed(ledger)
    with ledger.begin() as conn:
        lanes.record(conn, first, {"next_attempt_at": lanes.next_attempt(60)})
    assert claimed(ledger) == []
    later(ledger, 61)
    assert [(d.event, d.attempts) for d in claimed(ledger)] == [("opened", 2)]


def test_lanes_do_not_wait_for_each_other_and_kills_come_first(ledger):
    with ledger.begin() as conn:
        put(conn, "opened", incident="inc1")
        put(conn, "opened", incident="inc2")
        put(conn, "opened", receiver="hook", kind="webhook")
        put(conn, "tripped", receiver="chat", kind="kill", kill="kill1")
    assert [d.lane for d in claimed(ledger)] == [
        "switch/chat",
        "incident/slack/inc1",
        "incident/slack/inc2",
        "incident/hook/inc1",
    ]


def test_one_receiver_has_no_more_under_way_than_it_may(ledger):
    with ledger.begin() as conn:
        for number in range(9):
            put(conn, "opened", incident=f"slow{number}", receiver="slow")
        put(conn, "opened", receiver="quick")
        put(conn, "tripped", receiver="slow", kind="kill", kill="kill1")
    first = claimed(ledger, most_each=3)
    assert [d.receiver for d in first if d.kind == "slack"].count("slow") == 3
    assert {"quick", "slow"} == {d.receiver for d in first}
    assert claimed(ledger, {(False, "slow"): 3}, most_each=3) == []
    assert len(claimed(ledger, {(False, "slow"): 1}, most_each=3)) == 2


def test_a_claim_belongs_to_one_worker(ledger):
    with ledger.begin() as conn:
        for number in range(20):
            put(conn, "opened", incident=f"inc{number}")
    with ledger.begin() as one, ledger.begin() as other:
        mine = lanes.claim(one, {}, most_each=20)
        theirs = lanes.claim(other, {}, most_each=20)
    assert len(mine) == 20
    assert theirs == []


def test_what_a_dead_worker_claimed_is_free_when_its_lease_ends(ledger):
    with ledger.begin() as conn:
        put(conn, "opened")
    (dead,) = claimed(ledger, lease_s=30)
    later(ledger, 29)
    assert claimed(ledger) == []
    later(ledger, 2)
    (taken_over,) = claimed(ledger)
    assert taken_over.delivery_id == dead.delivery_id
    assert end(ledger, dead) is False
    assert end(ledger, taken_over) is True


def test_a_lease_that_ended_untaken_still_records(ledger):
    with ledger.begin() as conn:
        put(conn, "opened")
    (sent,) = claimed(ledger)
    later(ledger, 3600)
    assert end(ledger, sent) is True


def test_a_wish_of_the_receiver_holds_for_all_of_its_lanes_but_not_for_kills(ledger):
    with ledger.begin() as conn:
        put(conn, "opened", incident="inc1")
        put(conn, "opened", incident="inc2")
        put(conn, "opened", receiver="hook", kind="webhook")
        put(conn, "tripped", receiver="slack", kind="kill", kill="kill1")
        lanes.pause(conn, "slack", 60)
    at_once = claimed(ledger)
    assert [sent.lane for sent in at_once] == ["switch/slack", "incident/hook/inc1"]
    for sent in at_once:
        end(ledger, sent)
    later(ledger, 61)
    assert [sent.lane for sent in claimed(ledger)] == ["incident/slack/inc1", "incident/slack/inc2"]


def test_rule_5_a_trip_past_its_not_after_is_expired_and_never_sent(ledger):
    with ledger.begin() as conn:
        now_ms = int(conn.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one() * 1000)
        put(conn, "tripped", receiver="chat", kind="kill", kill="k1", not_after_ms=now_ms + 60_000)
        assert lanes.overdue(conn) == []
    later(ledger, 61)
    assert claimed(ledger) == []
    with ledger.begin() as conn:
        assert [row.kill_id for row in lanes.overdue(conn)] == ["k1"]
        assert lanes.overdue(conn) == []
    assert states(ledger) == ["expired"]


def test_what_is_under_way_at_its_not_after_is_waited_for(ledger):
    with ledger.begin() as conn:
        now_ms = int(conn.execute(select(func.extract("epoch", func.clock_timestamp()))).scalar_one() * 1000)
        put(conn, "tripped", receiver="chat", kind="kill", kill="k1", not_after_ms=now_ms + 10_000)
    (sent,) = claimed(ledger)
    later(ledger, 15)
    with ledger.begin() as conn:
        assert lanes.overdue(conn) == []
    assert end(ledger, sent) is True


def test_the_next_due_time_is_that_of_backoffs_and_leases_to_come(ledger):
    with ledger.begin() as conn:
        assert lanes.next_due_s(conn) is None
        put(conn, "opened")
        assert lanes.next_due_s(conn) is None
    (sent,) = claimed(ledger, lease_s=30)
    with ledger.begin() as conn:
        assert 28 < lanes.next_due_s(conn) <= 30
        lanes.record(conn, sent, {"next_attempt_at": lanes.next_attempt(5)})
        assert 3 < lanes.next_due_s(conn) <= 5


def test_a_switchs_state_that_lost_its_claim_is_followed_by_the_newest_under_a_new_id(ledger):
    with ledger.begin() as conn:
        put(conn, "tripped", receiver="chat", kind="kill", kill="k1")
    (hanging,) = claimed(ledger)
    with ledger.begin() as conn:
        supersede(conn, "switch/chat")
        put(conn, "released", receiver="chat", kind="kill", kill="k2")
    (newer,) = claimed(ledger)
    end(ledger, newer)
    assert end(ledger, hanging) is False
    with ledger.begin() as conn:
        assert lanes.send_newest_again(conn, hanging) is not None
        assert lanes.send_newest_again(conn, hanging) is None
    (again,) = claimed(ledger)
    assert (again.event, again.kill_id) == ("released", "k2")
    assert again.delivery_id not in (newer.delivery_id, hanging.delivery_id)
    assert states(ledger) == ["superseded", "delivered", "pending"]


def test_a_switchs_newest_state_that_nobody_sent_yet_needs_no_copy(ledger):
    with ledger.begin() as conn:
        put(conn, "tripped", receiver="chat", kind="kill", kill="k1")
    (hanging,) = claimed(ledger)
    with ledger.begin() as conn:
        supersede(conn, "switch/chat")
        put(conn, "released", receiver="chat", kind="kill", kill="k2")
        assert lanes.send_newest_again(conn, hanging) is None


def test_an_incidents_message_that_lost_its_claim_is_followed_by_the_newest_under_its_own_id(ledger):
    with ledger.begin() as conn:
        put(conn, "opened")
        put(conn, "resolved")
    (hanging,) = claimed(ledger)
    later(ledger, 31)
    for _ in range(2):
        (sent,) = claimed(ledger)
        end(ledger, sent)
    with ledger.begin() as conn:
        assert lanes.send_newest_again(conn, hanging) == sent.delivery_id
    (again,) = claimed(ledger)
    assert (again.event, again.delivery_id) == ("resolved", sent.delivery_id)


def test_a_message_that_lost_its_claim_and_is_the_newest_itself_needs_nothing(ledger):
    with ledger.begin() as conn:
        put(conn, "opened")
    (hanging,) = claimed(ledger)
    later(ledger, 31)
    (sent,) = claimed(ledger)
    end(ledger, sent)
    with ledger.begin() as conn:
        assert lanes.send_newest_again(conn, hanging) is None
