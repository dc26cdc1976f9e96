"""The demo's schedule: long and quiet first, a recovery after every drift, then the present."""

import json
from itertools import pairwise

from monitor.local.scenario import PER_SECOND, SPEED, scenario
from monitor.local.traffic import Drift

START = 1_763_800_000_000
PLOT = scenario(START)
CAUGHT_UP = PLOT.caught_up_ms


def test_phases_follow_each_other_without_gaps():
    assert all(a.end_ms == b.start_ms for a, b in pairwise(PLOT.phases))


def test_it_is_quiet_for_three_hours_and_ten_thousand_records_first():
    first = PLOT.phases[0]
    seconds = (first.end_ms - first.start_ms) / 1000
    assert first.drift is None
    assert seconds >= 3 * 3600
    assert seconds * PER_SECOND * 0.85 >= 10_000


def test_four_drifts_come_in_order_with_recoveries_and_the_outage_is_left_to_the_present():
    assert [p.drift for p in PLOT.injections()] == [d for d in Drift if d is not Drift.ERRORS]
    assert all(a.drift is None or b.drift is None for a, b in pairwise(PLOT.phases))
    assert PLOT.phases[-1].drift is None


def test_the_present_is_healthy_or_fails_with_many_retries():
    healthy, failing = (
        [json.loads(v) for b in PLOT.present(CAUGHT_UP, CAUGHT_UP + 60_000, failing=f) for v in b.values]
        for f in (False, True)
    )
    assert sum(r["status"] == "ok" for r in healthy) > 0.95 * len(healthy)
    assert sum(r["status"] == "timeout" for r in failing) > 0.9 * len(failing)
    assert len(failing) > 3 * len(healthy)
    assert all(CAUGHT_UP <= r["ts"] < CAUGHT_UP + 60_000 for r in healthy + failing)


def test_event_time_runs_300_times_as_fast_until_it_is_the_clocks():
    assert PLOT.event_ms(START) == PLOT.phases[0].start_ms
    assert PLOT.event_ms(START + 1_000) - PLOT.event_ms(START) == SPEED * 1_000
    assert CAUGHT_UP == START + 64_600
    assert PLOT.event_ms(CAUGHT_UP) == CAUGHT_UP
    assert PLOT.event_ms(CAUGHT_UP + 1_000) == CAUGHT_UP + 1_000


def test_event_time_is_never_ahead_of_the_clock():
    assert all(PLOT.event_ms(START + ms) <= START + ms for ms in range(0, 90_000, 500))


def test_a_new_version_appears_with_the_language_drift_and_not_before():
    seen = [(p.drift, {name for name, _ in p.versions}) for p in PLOT.phases]
    assert all(("v42" in versions) == (k >= 3) for k, (_, versions) in enumerate(seen))
    assert seen[3][0] is Drift.LANGUAGE


def test_a_phase_is_found_by_its_event_time():
    assert PLOT.phase_at(0) is PLOT.phases[0]
    assert PLOT.phase_at(PLOT.phases[1].start_ms) is PLOT.phases[1]
    assert PLOT.phase_at(PLOT.phases[1].start_ms - 1) is PLOT.phases[0]
    assert PLOT.phase_at(PLOT.phases[-1].end_ms + 1) is PLOT.phases[-1]
