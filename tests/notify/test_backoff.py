"""How long a receiver is left alone, and for how long it is tried."""

import pytest

from monitor.notify.backoff import INCIDENTS, KILLS


@pytest.mark.parametrize("attempts", [1, 2, 3, 5, 8, 30, 2_000])
def test_waits_double_up_to_a_limit_and_half_of_each_is_chance(attempts):
    full = min(2.0 ** (min(attempts, 60) - 1), 300)
    waits = [INCIDENTS.delay_s(attempts) for _ in range(200)]
    assert all(full / 2 <= wait <= full for wait in waits)
    assert len(set(waits)) > 100


def test_a_receivers_wish_is_honoured_and_never_shortens_our_own_wait():
    assert INCIDENTS.delay_s(1, retry_after_s=42) == 42
    assert INCIDENTS.delay_s(9, retry_after_s=1) >= 100


def test_a_wish_for_days_is_not_granted():
    assert INCIDENTS.delay_s(1, retry_after_s=1e6) == 3600
    assert KILLS.delay_s(1, retry_after_s=1e6) == 30


def test_an_incident_is_tried_for_a_day():
    assert not INCIDENTS.gives_up(86_399_999)
    assert INCIDENTS.gives_up(86_400_000)


def test_a_kill_in_vain_is_announced_at_once():
    assert KILLS.warns(1, 0)


def test_three_attempts_at_a_kill_take_two_seconds_at_most():
    assert KILLS.delay_s(1) + KILLS.delay_s(2) <= 2
