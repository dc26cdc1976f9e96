"""Signals of users: any field of a record, as one of the three kinds."""

from typing import Any

import numpy as np
import pytest
from record_building import CLOCK_MS, Counted, count, value

from detectors.buckets import LOG, LOGIT
from monitor.records.remap import remap, used
from monitor.records.settings import MeasureSettings
from monitor.records.signals import FIRST_USER_CODE, SIGNALS, Kind, Of, Side
from monitor.records.user_signals import UserSignal, categories, user_signal

NAMES = [f"signal_{i}" for i in range(200)]
DECLINED = UserSignal(
    user_signal("declined", Kind.RATE, "prediction"), ("prediction",), when=("DECLINE", "7")
)
CACHED = UserSignal(user_signal("from_cache", Kind.RATE, "from_cache"), ("from_cache",))
INCOME = UserSignal(
    user_signal("income", Kind.DISTRIBUTION, "/features/income_eur"), ("features", "income_eur")
)
RISK = UserSignal(
    user_signal("risk", Kind.DISTRIBUTION, "/risk/0", probability=True), ("risk", "0"), high=1.0
)
JOB = UserSignal(user_signal("job", Kind.CATEGORY, "/features/job"), ("features", "job"))


def measured(user: UserSignal, *values: bytes, missing: bool = False) -> Counted:
    asked = frozenset({user.missing.code}) if missing else frozenset()
    return count(*values, settings=MeasureSettings(user_signals=(user,), asked=asked))


def test_codes_are_the_same_everywhere_and_apart_from_the_registry() -> None:
    assert user_signal("declined", Kind.RATE, "prediction").code == 5_815
    codes = [
        s.code
        for name in NAMES
        for kind in (Kind.RATE, Kind.DISTRIBUTION, Kind.CATEGORY)
        for user in [UserSignal(user_signal(name, kind, "x"), ("x",))]
        for s in (user.signal, user.missing)
    ]
    assert max(s.code for s in SIGNALS) < FIRST_USER_CODE <= min(codes)
    assert max(codes) < 2**15


@pytest.mark.parametrize("kind", [Kind.RATE, Kind.DISTRIBUTION, Kind.CATEGORY])
def test_a_code_tells_whether_its_buckets_are_names(kind: Kind) -> None:
    codes = np.array([user_signal(name, kind, "x").code for name in NAMES])
    assert categories(codes).tolist() == [kind is Kind.CATEGORY] * len(NAMES)


def test_codes_of_the_registry_tell_it_too() -> None:
    told = categories(np.array([s.code for s in SIGNALS])).tolist()
    assert told == [s.kind is Kind.CATEGORY for s in SIGNALS]


def test_its_row_of_the_registry_is_of_ok_records() -> None:
    rows = [user.signal for user in (DECLINED, INCOME, RISK, JOB)]
    assert [(r.kind, r.unit, r.bad, r.of) for r in rows] == [
        (Kind.RATE, "share", Side.UP, Of.OK),
        (Kind.DISTRIBUTION, "units", Side.BOTH, Of.OK),
        (Kind.DISTRIBUTION, "probability", Side.BOTH, Of.OK),
        (Kind.CATEGORY, "share", Side.BOTH, Of.OK),
    ]
    assert (INCOME.missing.name, INCOME.missing.kind) == ("missing.income", Kind.RATE)


def test_a_rate_counts_the_values_named_of_the_ok_records_that_have_one() -> None:
    counted = measured(
        DECLINED,
        *(value(prediction=p) for p in ("DECLINE", "APPROVE", 7, 7.5, True)),
        value(),
        value(prediction="DECLINE", status="error"),
        value(prediction="DECLINE", fallback=True),
        value(prediction="DECLINE", type="label"),
    )
    assert counted.rate("declined") == (2, 5)


def test_a_rate_without_values_is_of_a_boolean() -> None:
    counted = measured(CACHED, *(value(from_cache=v) for v in (True, False, "true", 1, None)))
    assert counted.rate("from_cache") == (1, 2)
    assert dict(counted.dropped) == {"from_cache": 2}


def test_a_distribution_has_buckets_and_a_sum() -> None:
    counted = measured(INCOME, value(features={"income_eur": 30_000}), value(features={"income_eur": 0}))
    assert counted.of("income") == {int(b): 1 for b in LOG.bucket([0, 30_000])}
    sums = counted.intake.delta.sums
    assert sums.total[(sums.signal == INCOME.signal.code) & (sums.slice == 0)].tolist() == [30_000.0]


def test_a_probability_has_logit_buckets_and_a_position_leads_into_an_array() -> None:
    counted = measured(
        RISK, value(risk=[0.25, 0.75]), value(risk=[]), value(risk={"0": 0.5}), value(risk="0")
    )
    assert counted.of("risk") == {int(b): 1 for b in LOGIT.bucket([0.25, 0.5])}


@pytest.mark.parametrize(
    "wrong", ["30000", True, [1], {"eur": 1}, -1, 10**30, 10**400, 2.0**60], ids=lambda w: f"{w!r:.20}"
)
def test_a_value_that_is_no_number_of_the_range_is_dropped_and_counted_for_its_signal(wrong: Any) -> None:
    counted = measured(
        INCOME,
        value(features={"income_eur": wrong}),
        value(features={"income_eur": 5}),
        value(),
        missing=True,
    )
    assert counted.of("income") == {int(LOG.bucket([5])[0]): 1}
    assert counted.rate("missing.income") == (2, 3)
    assert dict(counted.dropped) == {"income": 1}


def test_a_category_counts_names() -> None:
    jobs = ("nurse", "nurse", 3, 3.5, True, None, ["x"])
    counted = measured(JOB, *(value(features={"job": job}) for job in jobs))
    assert counted.of("job") == {"nurse": 2, "3": 1, "true": 1}
    assert dict(counted.dropped) == {"job": 1}


def test_a_field_of_the_contract_may_be_counted_again() -> None:
    slow = UserSignal(user_signal("cheap", Kind.DISTRIBUTION, "cost_usd"), ("cost_usd",), high=1.0)
    counted = measured(slow, value(cost_usd=0.5), value(cost_usd=2), value(cost_usd=-1))
    assert sum(counted.of("cheap").values()) == 1
    assert dict(counted.dropped) == {"cost_usd": 1, "cheap": 2}


def test_what_is_missing_is_of_ok_records_and_counted_only_where_asked() -> None:
    values = [value(prediction="DECLINE"), value(), value(status="error"), value(type="label", label="x")]
    assert "missing.declined" not in measured(DECLINED, *values).signals()
    assert measured(DECLINED, *values, missing=True).rate("missing.declined") == (1, 2)


def test_a_mended_record_keeps_what_is_nested_in_its_features() -> None:
    poison = (
        b'{"model": "chat-eu", "cost_usd": NaN, "features": {"income_eur": 5, "job": "a\\ud83d", "x": NaN}}'
    )
    assert measured(INCOME, poison).of("income") == {int(LOG.bucket([5])[0]): 1}
    assert measured(JOB, poison).of("job") == {"a\ufffd": 1}
    deep = UserSignal(user_signal("deep", Kind.RATE, "/a/b/0/c"), ("a", "b", "0", "c"))
    nested = b'{"model": "chat-eu", "cost_usd": NaN, "a": {"b": [{"c": true}]}}'
    assert measured(deep, nested, nested.replace(b"NaN", b"1")).rate("deep") == (2, 2)


@pytest.mark.parametrize("poison", [b"NaN", b"[" * 900 + b"]" * 900, b'{"a":' * 5_000 + b"1" + b"}" * 5_000])
def test_poison_where_a_signal_looks_is_dropped_and_its_neighbours_count(poison: bytes) -> None:
    counted = measured(CACHED, value(from_cache=True), b'{"model": "chat-eu", "from_cache": ' + poison + b"}")
    assert counted.rate("from_cache") == (1, 1)
    assert counted.of("requests") == {0: 2}
    assert dict(counted.dropped) == {"from_cache": 1}


def test_its_categories_get_ids_of_the_ledger() -> None:
    counted = measured(JOB, value(features={"job": "nurse"}), value(features={"job": "cook"}))
    codes = used(counted.intake)
    triples = [t for t in codes.categories if t[1] == JOB.signal.code]
    assert [counted.names.category(*t) for t in triples] == ["nurse", "cook"]
    ids = {triple: 100 + i for i, triple in enumerate(codes.categories)}
    moved = remap(
        counted.intake, {c: c for c in codes.streams}, {c: c for c in codes.slices}, ids
    ).delta.cells
    assert set(moved.bucket[moved.signal == JOB.signal.code].tolist()) == {ids[t] for t in triples}


def test_windows_and_kills_may_rest_on_it() -> None:
    settings = MeasureSettings(user_signals=(DECLINED,), kill_signals=frozenset({DECLINED.signal.code}))
    slots = count(value(prediction="DECLINE", ts=CLOCK_MS), settings=settings).intake.delta.slots
    assert slots.signal.tolist() == [DECLINED.signal.code]
