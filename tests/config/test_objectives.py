"""`objective` and `over`: what is read, which burn rates follow, and what could never fire."""

from pathlib import Path

import pytest

from monitor import config
from monitor.config.objectives import burn_rates
from monitor.config.rule import Rule
from monitor.config.values import milliseconds

HEAD = "receivers: {default: {slack: {url: 'https://hooks.slack.example/x'}}}\n"


def rule(folder: Path, text: str) -> Rule:
    path = folder / "alerts.yaml"
    path.write_text(HEAD + f"rules: [{{name: slo, {text}}}]\n")
    return config.load(path, environ={}, need=config.CHECK).rules[0]


@pytest.mark.parametrize(
    ("text", "target", "below"),
    [
        ("signal: latency_ms, objective: 99% below 100ms", 0.99, 100.0),
        ("signal: latency_ms, objective: 99.5% below 2s", 0.995, 2_000.0),
        ("signal: latency_ms, objective: 0.99 below 100", 0.99, 100.0),
        ("signal: output_tokens, objective: 95% below 4000", 0.95, 4_000.0),
        ("signal: error, objective: 99.9%", 0.999, None),
    ],
)
def test_an_objective_is_a_share_and_for_distributions_a_limit(
    tmp_path: Path, text: str, target: float, below: float | None
) -> None:
    found = rule(tmp_path, text).objective
    assert found is not None
    assert (found.target, found.below, found.over_ms) == (pytest.approx(target), below, 30 * 86_400_000)


@pytest.mark.parametrize(
    ("over", "factors"),
    [
        ("30d", [14.4, 6.0, 3.0, 1.0]),
        ("28d", [13.44, 5.6, 2.8, 1.0]),
        ("60d", [28.8, 12.0, 6.0, 2.0]),
        ("7d", [3.36, 1.4, 1.0, 1.0]),
    ],
)
def test_a_factor_is_the_part_of_the_budget_times_the_time_over_the_window_and_at_least_one(
    over: str, factors: list[float]
) -> None:
    rates = burn_rates(milliseconds(over))
    assert [r.windows for r in rates] == ["1h/5m", "6h/30m", "1d/2h", "3d/6h"]
    assert [r.pages for r in rates] == [True, True, False, False]
    assert [r.factor for r in rates] == pytest.approx(factors)


@pytest.mark.parametrize("objective", ["93.06%", "93.1%", "99.999%"])
def test_an_objective_at_which_every_window_can_fire_is_taken(tmp_path: Path, objective: str) -> None:
    assert rule(tmp_path, f"signal: error, objective: {objective}").objective is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "signal: error, objective: 93%",
            "the burn-rate windows 1h/5m could never fire: 14.4 times an error budget of 7% is all records or more "
            "(write 93.06% or more",
        ),
        ("signal: error, objective: 80%", "the burn-rate windows 1h/5m and 6h/30m could never fire"),
        ("signal: error, objective: 95%, over: 60d", "write 96.53% or more"),
        ("signal: error, objective: 100%", "leaves no error budget"),
        ("signal: error, objective: 0%", "is met by anything"),
        ("signal: error, objective: 99.9", "is no share (write 99.9%)"),
        ("signal: error, objective: nearly all", "is not an objective (write 99.9%, or 99% below 100ms)"),
        ("signal: error, objective: 99% below 100ms", "error is a rate"),
        ("signal: latency_ms, objective: 99%", "nothing says which latency_ms is good"),
        ("signal: latency_ms, objective: 99% below 2x", "is no limit of an objective"),
        ("signal: output_tokens, objective: 99% below 100ms", "tokens have no ms"),
        ("signal: output_language, objective: 99%", "is a category, with no objective"),
        ("signal: requests, objective: 99%", "is a number of records, with no objective"),
        (
            "signal: [error, timeout], objective: 99%",
            "an objective is of one signal, here are error and timeout",
        ),
        ("signal: error, objective: 99%, over: 1d", "from 3d to 92d"),
        ("signal: error, above: 5%, over: 30d", "over goes with `objective`"),
        ("signal: error, objective: 99%, above: 5%", "a rule has one kind"),
        ("signal: error, objective: 99%, window: 5m", "window has no effect on a rule with objective"),
        ("signal: error, objective: 99%, severity: critical", "severity has no effect"),
        ("objective: 99%", "`signal` is missing"),
    ],
)
def test_what_means_nothing_or_never_fires_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(Exception, match=r"problem|slo|rules") as caught:
        rule(tmp_path, text)
    assert sentence in "\n".join(caught.value.problems)  # type: ignore[attr-defined]
