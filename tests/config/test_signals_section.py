"""`signals` of alerts.yaml: what it may say, and that rules may name it."""

from pathlib import Path

import pytest

from monitor import config
from monitor.config.model import Config
from monitor.records.signals import BY_NAME, Kind, Side
from monitor.records.user_signals import UserSignal, user_signal

CONTRACT = (
    "signals: {income: {kind: distribution, field: /features/income_eur, scale: log}, "
    "declined: {kind: rate, field: prediction, when: [DECLINE]}}\n"
)
TELL = "receivers: {default: {slack: {url: 'https://s.example'}}}\n"


def loaded(tmp_path: Path, signals: str, rule: str = "signal: error, above: 2x") -> Config:
    file = tmp_path / "alerts.yaml"
    file.write_text(f"{signals}rules: [{{name: r, {rule}}}]\n{TELL}")
    assert config.problems(file, environ={}) == []
    return config.load(file, environ={}, need=config.CHECK)


def only(tmp_path: Path, definition: str) -> UserSignal:
    [signal] = loaded(tmp_path, f"signals: {{mine: {definition}}}\n").signals
    return signal


def test_the_example_of_the_contract_reads_as_it_says(tmp_path: Path) -> None:
    income, declined = loaded(tmp_path, CONTRACT).signals
    assert income == UserSignal(
        user_signal("income", Kind.DISTRIBUTION, "/features/income_eur"), ("features", "income_eur")
    )
    assert declined == UserSignal(
        user_signal("declined", Kind.RATE, "prediction"), ("prediction",), when=("DECLINE",)
    )


def test_without_the_section_there_are_none(tmp_path: Path) -> None:
    assert loaded(tmp_path, "").signals == ()
    assert loaded(tmp_path, "signals:\n").signals == ()


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("queue_depth", ("queue_depth",)),
        ("/queue_depth", ("queue_depth",)),
        ("/features/a/0", ("features", "a", "0")),
        ("/a~1b/c~0d/e.f", ("a/b", "c~d", "e.f")),
        ("/gen_ai.usage", ("gen_ai.usage",)),
    ],
)
def test_a_field_is_a_top_level_key_or_a_json_pointer(
    tmp_path: Path, field: str, path: tuple[str, ...]
) -> None:
    assert only(tmp_path, f"{{kind: category, field: {field}}}").path == path


@pytest.mark.parametrize(
    ("written", "when"),
    [("[DECLINE, 7, true]", ("DECLINE", "7", "true")), ("DECLINE", ("DECLINE",))],
)
def test_when_is_a_value_or_a_list(tmp_path: Path, written: str, when: tuple[str, ...]) -> None:
    assert only(tmp_path, f"{{kind: rate, field: x, when: {written}}}").when == when


def test_a_probability_has_its_own_scale_and_a_range_may_be_given(tmp_path: Path) -> None:
    share = only(tmp_path, "{kind: distribution, field: x, scale: probability}")
    assert (share.signal.unit, share.low, share.high) == ("probability", 0.0, 1.0)
    bounded = only(tmp_path, "{kind: distribution, field: /features/utilisation, range: [0, 2]}")
    assert (bounded.signal.unit, bounded.low, bounded.high) == ("units", 0.0, 2.0)


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ("signal: income, drift: ", ("income",)),
        ("signal: income, quantile: p99, above: 1.5x", ("income",)),
        ("signal: declined, above: {warning: 2x, critical: 50%}", ("declined",)),
        ("signal: [declined, missing.income], above: 2x", ("declined", "missing.income")),
        ("signal: 'missing.in*', above: +1pp", ()),
    ],
)
def test_rules_may_name_them_and_what_they_lack(tmp_path: Path, rule: str, names: tuple[str, ...]) -> None:
    found = loaded(tmp_path, CONTRACT, rule)
    [loaded_rule] = found.rules
    wanted = names or ("missing.input", "missing.input_tokens", "missing.input_language", "missing.income")
    assert loaded_rule.signals == wanted
    assert [found.signal(name).name for name in loaded_rule.signals] == list(wanted)


def test_a_drift_without_a_side_takes_the_one_that_is_bad(tmp_path: Path) -> None:
    sides = [
        loaded(tmp_path, CONTRACT, f"signal: {name}, drift: ").rules[0].bounds[0].side
        for name in ("declined", "income")
    ]
    assert sides == [Side.UP, Side.BOTH]


def test_a_glob_is_of_what_is_missing_only_where_it_says_so(tmp_path: Path) -> None:
    [rule] = loaded(tmp_path, "", "signal: '*_tokens', drift: both").rules
    assert rule.signals == ("input_tokens", "output_tokens")
    [nulls] = loaded(tmp_path, CONTRACT, "signal: 'missing.*', above: +1pp").rules
    assert set(nulls.signals) == {
        *(name for name in BY_NAME if name.startswith("missing.")),
        "missing.income",
        "missing.declined",
    }


def test_a_definition_by_an_unset_variable_is_left_out_with_its_rules(tmp_path: Path) -> None:
    found = loaded(tmp_path, "signals: {mine: {kind: rate, field: '${FIELD}'}}\n", "signal: mine, above: 2x")
    assert found.signals == ()


def test_two_names_with_one_number_cannot_be_used_together(tmp_path: Path) -> None:
    by_code: dict[int, str] = {}
    for i in range(2_000):
        name = f"s{i}"
        other = by_code.setdefault(user_signal(name, Kind.RATE, "x").code, name)
        if other != name:
            break
    file = tmp_path / "alerts.yaml"
    lines = "".join(f"  {n}: {{kind: rate, field: x}}\n" for n in (other, name))
    file.write_text(f"signals:\n{lines}rules: [{{name: r, signal: error, above: 2x}}]\n{TELL}")
    [problem] = config.problems(file, environ={})
    assert (problem.line, problem.sentence) == (
        3,
        f"{name} and {other} have the same number in the ledger",
    )


def test_a_code_of_nothing_is_no_signal(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        loaded(tmp_path, CONTRACT).signal("incom")
