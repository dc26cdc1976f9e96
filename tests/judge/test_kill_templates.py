"""`kill: "{team}-stop"`: each stream pulls the switch that its own labels name, and no other."""

from pathlib import Path

import pytest
from judging import counts_of

from monitor import config
from monitor.judge import killing
from monitor.judge.block import SlotBlock
from monitor.judge.compiling import compile_plan
from monitor.judge.kill import Switch, Switches
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Trip
from monitor.records.signals import BY_NAME

ALERTS = """
streams:
  labels: [{match: {model: "chat-*"}, set: {team: chat}}, {match: {model: "search-*"}, set: {team: search}}]
source: {bootstrap_servers: k, topic: t}
defaults: {min_n: 1}
rules: [{name: errors, signal: error, above: {critical: 10%}, kill: "{team}-stop"}]
receivers: {default: {log: {}}}
kill_switches:
  chat-stop: {topic: switches, guard: {min_n: 10}}
  search-stop: {topic: switches, guard: {min_n: 600}}
"""
LABELS = {1: {"model": "chat-eu"}, 2: {"model": "search-eu"}, 3: {"model": "vision"}}


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    path = tmp_path / "alerts.yaml"
    path.write_text(ALERTS)
    return compile_plan(config.load(path, environ={}, need=config.REPLAY))


def tripped(plan: Plan, seconds: int, switches: Switches) -> set[tuple[int, str]]:
    """Who pulls what while all streams fail wholly, at 20 requests a second."""
    state, found = JudgeState(), set()
    failing = counts_of({stream: {1: 20} for stream in LABELS})
    for number in range(seconds):
        block = SlotBlock(number, {BY_NAME["error"].code: failing}, LABELS)
        state, decisions = killing.kill_step(state, block, plan, switches)
        found |= {(d.stream, d.switch) for d in decisions if isinstance(d, Trip)}
    return found


def test_a_stream_pulls_the_switch_of_its_label_with_the_guard_of_that_switch(plan: Plan) -> None:
    assert tripped(plan, 20, {}) == {(1, "chat-stop")}
    assert tripped(plan, 40, {}) == {(1, "chat-stop"), (2, "search-stop")}


def test_a_switch_that_is_tripped_leaves_the_others_alone(plan: Plan) -> None:
    stopped = {("chat-stop", ""): Switch(tripped=True, sequence=3)}
    assert tripped(plan, 40, stopped) == {(2, "search-stop")}
