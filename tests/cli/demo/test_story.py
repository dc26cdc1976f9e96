"""The story tells what was injected, what fired how long after, and the kill as it came."""

import io
import json

import pytest
from rich.console import Console

from monitor.cli.demo.score import Incident, Injection
from monitor.cli.demo.story import INJECTED, Story
from monitor.local.receiver import Received
from monitor.local.traffic import Drift

BEGAN = 1_763_800_000_000
EVENT = 1_763_790_000_000
SLOW = Injection(Drift.SLOW, EVENT, EVENT + 900_000, BEGAN + 40_000)


def incident(**changes: object) -> Incident:
    values = {
        "incident_id": "k3v9q2m7ab",
        "rule": "slow",
        "signal": "latency_ms",
        "severity": "warning",
        "state": "firing",
        "onset_ms": EVENT,
        "detected_ms": EVENT + 120_000,
        "opened_ms": BEGAN + 40_900,
        "summary": "chat-eu: p99 latency 6.8 s [sic], was 2.1 s",
    }
    return Incident(**values | changes)


@pytest.fixture
def told():
    stream = io.StringIO()
    story = Story(Console(file=stream, width=150, highlight=False), BEGAN)
    return story, stream.getvalue


def test_every_drift_has_its_words():
    assert INJECTED.keys() == set(Drift)


def test_an_injection_is_told_with_the_clock_and_event_time(told):
    story, text = told
    story.injected(SLOW)
    assert text().split() == ["40.0", "s", "05:40:00", "injected", "slow", *INJECTED[Drift.SLOW].split()]


def test_what_fired_is_told_with_both_delays_and_its_own_words(told):
    story, text = told
    story.fired(incident(), SLOW, own=False)
    assert "FIRED" in text()
    assert "chat-eu: p99 latency 6.8 s [sic], was 2.1 s" in text()
    assert "2 min after in event time, 900 ms by the clock" in text()


@pytest.mark.parametrize(
    ("seen", "injection", "own", "word"),
    [
        (incident(), None, False, "FALSE ALARM"),
        (incident(signal="ttft_ms"), SLOW, False, "follows"),
        (incident(rule="tocsin.late", signal="late"), None, True, "noted"),
    ],
)
def test_what_was_not_asked_for_is_told_as_what_it_is(told, seen, injection, own, word):
    story, text = told
    story.fired(seen, injection, own)
    assert word in text()


def test_the_kill_webhook_is_shown_as_it_was_received(told):
    story, text = told
    body = {"type": "kill_switch.tripped", "data": {"switch": "chat", "reason": "96% of requests fail"}}
    headers = {"webhook-id": "msg_1", "webhook-timestamp": "1763800080", "webhook-signature": "v1,abc="}
    story.killed(Received(BEGAN + 80_000, "/kill", headers, json.dumps(body).encode(), True), 11.24)
    lines = [line.strip() for line in text().splitlines()]
    assert "11.2 s after the first failure" in lines[0]
    assert {"POST /kill", "webhook-signature: v1,abc=", "(the signature holds)"} <= set(lines)
    assert json.loads("".join(lines[lines.index("{") :])) == body


def test_a_query_is_shown_with_its_answer(told):
    story, text = told
    story.rows("SELECT rule FROM tocsin.incidents;", ["rule"], [("errors [red]",)])
    assert "SELECT rule FROM tocsin.incidents;" in text()
    assert "errors [red]" in text()
