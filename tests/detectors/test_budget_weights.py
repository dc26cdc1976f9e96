"""A promise becomes one threshold and weights that sum to one."""

import pytest

from detectors.errors import DetectorError
from detectors.weights import expected_alarms, injection, rule_shares, severity_share, threshold

WEEKLY, QUARTERLY = 1 / 60_480, 1 / 777_600


def test_one_in_thirty_days_is_a_threshold_of_259200_panes():
    assert threshold({"warning": 1 / 259_200}) == pytest.approx(259_200)


def test_each_severity_keeps_its_own_promise():
    promised = {"warning": WEEKLY, "critical": QUARTERLY}
    shares = {name: severity_share(promised, name) for name in promised}
    assert sum(shares.values()) == pytest.approx(1)
    for name, rate in promised.items():
        assert shares[name] / threshold(promised) == pytest.approx(rate)


def test_a_severity_that_few_rules_use_is_spent_in_full_by_them():
    promised = {"warning": WEEKLY, "critical": QUARTERLY}
    shares = rule_shares(promised, [["warning"], ["warning", "critical"], ["warning"]])
    for name in promised:
        spent = sum(rule.get(name, 0.0) for rule in shares)
        assert expected_alarms(spent, threshold(promised), 1) == pytest.approx(promised[name])
    assert shares[0]["warning"] == pytest.approx(shares[1]["warning"])


def test_weights_over_rules_streams_tiers_edges_and_time_sum_to_one_a_pane():
    rules, streams, tiers, edges = (0.5, 0.5), 8, (0.5, 0.3, 0.2), (0.25,) * 4
    injected = sum(
        injection(rule, streams, tier, edge, 60)
        for rule in rules
        for _ in range(streams)
        for tier in tiers
        for edge in edges
    )
    assert injected == pytest.approx(6)


@pytest.mark.parametrize(
    "refused",
    [
        lambda: threshold({}),
        lambda: threshold({"warning": 0.0}),
        lambda: threshold({"warning": float("nan")}),
        lambda: severity_share({"warning": 1.0}, "critical"),
        lambda: rule_shares({"warning": 1.0}, [["critical"]]),
        lambda: expected_alarms(1.1, 1e5, 1),
        lambda: expected_alarms(0.5, 0.0, 1),
        lambda: expected_alarms(0.5, 1e5, 0),
        lambda: injection(1.5, 1, 1.0, 1.0, 10),
        lambda: injection(1.0, 0, 1.0, 1.0, 10),
        lambda: injection(1.0, 1, 1.0, 1.0, 0),
        lambda: injection(1.0, 1, float("nan"), 1.0, 10),
    ],
)
def test_what_cannot_be_promised_is_refused(refused):
    with pytest.raises(DetectorError):
        refused()
