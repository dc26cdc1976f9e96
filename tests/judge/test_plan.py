"""The promise of alerts.yaml as weights: over rules, signals, severities, sides, tiers and streams."""

from pathlib import Path

import numpy as np
import pytest
from judging import plan_of

from monitor.config.rule import Severity
from monitor.judge.plan import Plan

MONTH = 30 * 8_640
RULES = """
rules:
  - {name: errors, signal: [error, timeout], above: {warning: 2x, critical: 10%}}
  - {name: length, signal: output_tokens, drift: both}
  - {name: cut, signal: truncated, above: 2x}
"""
PER_TEAM = """
streams: {by: [model], labels: [{match: {model: chat-*}, set: {team: chat}}, {match: {model: s*}, set: {team: search}}]}
false_alarms: {warning: 1 per 7d, critical: 1 per 90d, per: team}
"""
LABELS = {1: {"model": "chat-eu"}, 2: {"model": "chat-us"}, 3: {"model": "search"}, 4: {"model": "x"}, 5: {}}


def alarms(plan: Plan, severity: Severity) -> float:
    """False alarms of a severity to expect in 30 days."""
    shares = [w.weight * t.share for w in plan.watches for t in w.tiers if t.severity is severity]
    return sum(shares) * MONTH / plan.threshold


def test_one_number_is_shared_evenly_over_rules_and_signals(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "false_alarms: 1 per 30d" + RULES)
    assert [w.weight for w in plan.watches] == [pytest.approx(1 / 4)] * 4
    assert [sum(t.share for t in w.tiers) for w in plan.watches] == [pytest.approx(1)] * 4
    assert sum(alarms(plan, s) for s in Severity) == pytest.approx(1)


def test_each_severity_of_a_map_keeps_its_own_promise_in_full(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "false_alarms: {warning: 1 per 7d, critical: 1 per 90d}" + RULES)
    assert alarms(plan, Severity.WARNING) == pytest.approx(30 / 7)
    assert alarms(plan, Severity.CRITICAL) == pytest.approx(30 / 90)
    assert sum(w.weight for w in plan.watches) == pytest.approx(1)


def test_both_sides_have_equal_shares_and_wider_tiers_a_fifth(tmp_path: Path) -> None:
    (length,) = [w for w in plan_of(tmp_path, RULES).watches if w.rule.name == "length"]
    shares = {(t.side.value, t.text): round(t.share, 3) for t in length.tiers}
    each = {"1.5x": 0.4, "2x": 0.05, "4x": 0.05}
    assert shares == {(side, text): share for side in ("up", "down") for text, share in each.items()}


def test_one_promise_is_shared_by_all_active_streams(tmp_path: Path) -> None:
    sharing = plan_of(tmp_path, RULES).watches[0].sharing
    assert sharing.sharers(np.array([1, 3, 3, 9]), [1, 2, 3], LABELS).tolist() == [3, 3, 3, 0]


def test_per_label_a_promise_is_shared_by_the_active_streams_of_a_value(tmp_path: Path) -> None:
    sharing = plan_of(tmp_path, PER_TEAM + RULES).watches[0].sharing
    active = [1, 2, 3, 4, 5]
    assert sharing.sharers(np.array([1, 2, 3, 4, 5, 9]), active, LABELS).tolist() == [2, 2, 1, 2, 2, 0]
    assert sharing.sharers(np.array([1, 2]), [1], LABELS).tolist() == [1, 0]


def test_weights_of_the_streams_of_a_value_sum_to_one_a_pane(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, PER_TEAM + RULES)
    streams = np.array([1, 2, 3, 4, 5])
    injected = np.zeros(len(streams))
    for watch in plan.watches:
        share = sum(t.share for t in watch.tiers)
        injected += watch.weight * share / watch.sharing.sharers(streams, streams.tolist(), LABELS)
    assert injected[:2].sum() == pytest.approx(1)
    assert injected[2] == pytest.approx(1)
    assert injected[3:].sum() == pytest.approx(1)


def test_a_rule_that_matches_on_given_labels_restarts_when_they_change(tmp_path: Path) -> None:
    rule = "\nrules: [{name: e, signal: error, above: {warning: 2x, critical: 10%}, match: {team: chat}}]"
    before, after = (plan_of(tmp_path, text + rule) for text in (PER_TEAM, PER_TEAM.replace("s*", "t*")))
    assert before.watches[0].identity != after.watches[0].identity
    plain = [plan_of(tmp_path, text + RULES).watches[0].identity for text in (PER_TEAM, "")]
    assert plain[0] == plain[1]


def test_a_signal_of_the_user_s_own_is_watched_like_any_other(tmp_path: Path) -> None:
    own = """
signals: {income: {kind: distribution, field: /features/income}, declined: {kind: rate, field: prediction, when: [NO]}}
rules:
  - {name: income, signal: income, drift: both}
  - {name: declined, signal: [declined, missing.income], above: 2x}
"""
    plan = plan_of(tmp_path, own)
    assert [(w.key, w.kind) for w in plan.watches] == [
        ("income/income", "tube"),
        ("declined/declined", "rate"),
        ("declined/missing.income", "rate"),
    ]
