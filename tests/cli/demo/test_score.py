"""The demo passes only if all five were found, nothing else fired, and the kill came in time."""

from dataclasses import replace

import pytest

from monitor.cli.demo.score import GRACE_MS, Incident, Injection, cause, score
from monitor.local.traffic import Drift

HOUR = 3_600_000
CLOCK = 1_763_800_000_000
DRIFTS = {
    Drift.LENGTH: ("length", "output_tokens"),
    Drift.LANGUAGE: ("language", "output_language"),
    Drift.CONFIDENCE: ("confidence", "confidence"),
    Drift.SLOW: ("slow", "latency_ms"),
    Drift.ERRORS: ("errors", "error"),
}
INJECTIONS = [
    Injection(drift, begins_ms=k * HOUR, ends_ms=k * HOUR + HOUR // 4, sent_ms=CLOCK + k * 10_000)
    for k, drift in enumerate(DRIFTS, 1)
]
SPIKE_MS = INJECTIONS[-1].sent_ms


def alarm(rule: str, signal: str, detected_ms: int) -> Incident:
    return Incident(
        incident_id=f"{rule}-{detected_ms}",
        rule=rule,
        signal=signal,
        severity="warning",
        state="firing",
        onset_ms=detected_ms - 60_000,
        detected_ms=detected_ms,
        opened_ms=CLOCK,
        summary=f"{signal} is not as it was",
    )


ALL_FIVE = [alarm(*DRIFTS[i.drift], i.begins_ms + 90_000) for i in INJECTIONS]


def test_all_five_and_a_kill_in_time_pass():
    result = score(INJECTIONS, ALL_FIVE, SPIKE_MS + 11_240)
    assert result.passed
    assert result.line == "demo: 5/5 incidents, 0 false alarms, kill webhook after 11.2 s"
    assert [result.found[drift].rule for drift in Drift] == [
        "length",
        "language",
        "confidence",
        "slow",
        "errors",
    ]


@pytest.mark.parametrize("missing", range(5))
def test_a_drift_that_was_not_found_fails(missing: int):
    result = score(INJECTIONS, ALL_FIVE[:missing] + ALL_FIVE[missing + 1 :], SPIKE_MS + 11_000)
    assert not result.passed
    assert result.line == "demo: 4/5 incidents, 0 false alarms, kill webhook after 11.0 s"


def test_an_alarm_before_its_injection_is_a_false_alarm_and_no_detection():
    early = replace(ALL_FIVE[0], detected_ms=INJECTIONS[0].begins_ms - 1)
    result = score(INJECTIONS, [early, *ALL_FIVE[1:]], SPIKE_MS + 11_000)
    assert not result.passed
    assert result.line == "demo: 4/5 incidents, 1 false alarm, kill webhook after 11.0 s"


def test_an_early_false_alarm_is_not_made_good_by_a_later_detection():
    early = replace(ALL_FIVE[3], incident_id="early", detected_ms=1)
    result = score(INJECTIONS, [early, *ALL_FIVE], SPIKE_MS + 11_000)
    assert (len(result.found), result.false_alarms, result.passed) == (5, (early,), False)


def test_another_signal_does_not_count_as_found():
    strayed = replace(ALL_FIVE[1], signal="wrong_language")
    result = score(INJECTIONS, [ALL_FIVE[0], strayed, *ALL_FIVE[2:]], SPIKE_MS + 11_000)
    assert Drift.LANGUAGE not in result.found
    assert result.false_alarms == ()


def test_what_follows_from_a_drift_is_no_false_alarm():
    follows = [
        alarm("wrong_language", "wrong_language", INJECTIONS[1].begins_ms + 120_000),
        alarm("slow", "latency_ms", INJECTIONS[4].begins_ms + 5_000),
    ]
    assert score(INJECTIONS, [*ALL_FIVE, *follows], SPIKE_MS + 11_000).passed


def test_the_same_alarm_long_after_its_drift_has_ended_is_a_false_alarm():
    end = INJECTIONS[1].ends_ms + GRACE_MS
    for detected, passed in ((end - 1, True), (end, False)):
        again = alarm("wrong_language", "wrong_language", detected)
        assert score(INJECTIONS, [*ALL_FIVE, again], SPIKE_MS + 11_000).passed is passed


def test_incidents_of_tocsins_own_are_outside_the_promise():
    own = alarm("tocsin.late", "late", 1)
    assert score(INJECTIONS, [own, *ALL_FIVE], SPIKE_MS + 11_000).passed


@pytest.mark.parametrize(
    ("received_ms", "line"),
    [
        (None, "no kill webhook"),
        (SPIKE_MS - 1, "no kill webhook"),
        (SPIKE_MS + 15_001, "kill webhook after 15.0 s"),
    ],
)
def test_a_kill_that_is_missing_early_or_late_fails(received_ms: int | None, line: str):
    result = score(INJECTIONS, ALL_FIVE, received_ms)
    assert not result.passed
    assert result.line.endswith(line)


def test_nothing_was_found_before_anything_was_injected():
    result = score([], [], None)
    assert result.line == "demo: 0/5 incidents, 0 false alarms, no kill webhook"


def test_the_cause_of_an_alarm_is_the_newest_drift_that_explains_it():
    during_outage = alarm("slow", "latency_ms", INJECTIONS[4].begins_ms + 1)
    overlapping = [INJECTIONS[3], replace(INJECTIONS[4], begins_ms=INJECTIONS[3].begins_ms)]
    assert cause(INJECTIONS, during_outage) is INJECTIONS[4]
    assert cause(overlapping, ALL_FIVE[3]) is overlapping[1]
    assert cause(INJECTIONS, alarm("length", "output_tokens", 5)) is None
