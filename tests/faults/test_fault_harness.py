"""The harness itself, without servers: the same seed breaks the same things, and no loss stays unseen."""

from collections import Counter

import msgspec
import pytest
from fault_account import layer
from fault_deck import EVERY_S, Kind, faults
from fault_load import ABORTED, Sort, record, value
from fault_truth import Logged, Truth, truth_of
from fault_watch import Recoveries, Strike

from monitor.crash_points import STEPS

SEED = 3
AT_MS = 1_700_000_005_000


def logged(number: int, offset: int, *, partition: int = 0, fails: bool = False) -> Logged:
    return Logged(partition, offset, AT_MS, number, value(record(SEED, number), AT_MS, fails=fails))


def first_of(sort: Sort) -> int:
    return next(n for n in range(10_000) if record(SEED, n).sort is sort)


def test_a_seed_gives_the_same_faults_again_and_another_seed_others() -> None:
    assert faults(1, 600, 5) == faults(1, 600, 5)
    assert faults(1, 600, 5) != faults(2, 600, 5)


def test_half_an_hour_has_at_least_200_kills_and_50_other_faults_of_every_kind() -> None:
    kinds = Counter(fault.kind for fault in faults(1, 1_800, EVERY_S))
    # A process is killed to come back with the step armed, and dies or stops there once more.
    armed = kinds[Kind.CRASH] + kinds[Kind.STOP_AT]
    assert kinds[Kind.KILL] + armed + kinds[Kind.CRASH] >= 200
    assert kinds.total() - kinds[Kind.KILL] - kinds[Kind.CRASH] >= 50
    assert kinds.keys() == set(Kind)


@pytest.mark.parametrize("kind", [Kind.CRASH, Kind.STOP_AT])
def test_the_first_six_minutes_visit_every_step(kind: Kind) -> None:
    assert {f.step for f in faults(1, 360, EVERY_S) if f.kind is kind} == set(STEPS)


def test_a_run_can_be_about_one_step_alone() -> None:
    deck = faults(1, 60, 2, ["judge.before_commit"])
    assert {(f.kind, f.step) for f in deck} == {
        (Kind.CRASH, "judge.before_commit"),
        (Kind.STOP_AT, "judge.before_commit"),
    }


def test_a_freeze_is_longer_than_the_session_time_out_and_the_lease() -> None:
    assert min(f.lasts_s for f in faults(1, 1_800, 5) if f.kind is Kind.STOP) > 6.0


def test_a_record_counts_in_its_own_pane_and_one_with_a_fast_clock_2_s_ahead_of_kafka() -> None:
    plain, fast = first_of(Sort.PLAIN), first_of(Sort.FAST)
    truth = truth_of(SEED, iter([logged(plain, 0), logged(fast, 1)]))
    models = record(SEED, plain).model, record(SEED, fast).model
    assert truth.panes() == Counter({(m, 1_700_000_000_000): n for m, n in Counter(models).items()})


def test_a_late_record_counts_in_the_pane_it_belongs_to() -> None:
    number = first_of(Sort.LATE)
    late = record(SEED, number)
    ((_, start),) = truth_of(SEED, iter([logged(number, 0)])).panes()
    assert start == (AT_MS - late.late_ms) // 10_000 * 10_000


@pytest.mark.parametrize("sort", [Sort.NOT_JSON, Sort.NO_MODEL, Sort.TOMBSTONE, Sort.TOO_OLD])
def test_what_is_no_record_is_to_be_skipped_with_its_reason(sort: Sort) -> None:
    truth = truth_of(SEED, iter([logged(first_of(sort), 7, partition=2)]))
    assert truth.skipped == {(2, 7): sort.value}
    assert truth.totals() == {2: (8, 0, 1)}


def test_a_record_written_twice_is_two_records() -> None:
    number = first_of(Sort.PLAIN)
    truth = truth_of(SEED, iter([logged(number, 0), logged(number, 1)]))
    assert truth.totals() == {0: (2, 2, 0)}
    assert truth.records == 2


def test_a_record_that_is_not_what_was_written_ends_the_account() -> None:
    number = first_of(Sort.PLAIN)
    other = Logged(0, 0, AT_MS, number, msgspec.json.encode({"model": "m-0", "id": "r-1", "status": "ok"}))
    with pytest.raises(AssertionError, match="is not what was written"):
        truth_of(SEED, iter([other]))


def test_a_record_of_a_batch_that_nobody_can_read_is_to_be_skipped_with_what_is_wrong_with_it() -> None:
    truth = Truth(SEED, {(0, 0): "bad_batch"})
    truth.add(logged(first_of(Sort.PLAIN), 0))
    assert truth.skipped == {(0, 0): "bad_batch"}
    assert truth.totals() == {0: (1, 0, 1)}


def test_a_record_of_an_aborted_transaction_ends_the_account() -> None:
    aborted = Logged(0, 0, AT_MS, first_of(Sort.PLAIN), msgspec.json.encode({"model": ABORTED}))
    with pytest.raises(AssertionError, match="aborted"):
        truth_of(SEED, iter([aborted]))


def test_a_loss_in_one_pane_is_not_made_up_for_by_a_double_in_another() -> None:
    found = layer("panes", {"a": 10, "b": 10}, {"a": 9, "b": 11})
    assert (found.lost, found.twice) == (1, 1)
    assert found.told == ("a: 10 expected, 9 found", "b: 10 expected, 11 found")


def test_what_was_counted_though_it_never_was_there_is_counted_twice() -> None:
    assert layer("panes", {}, {"a": 2}).twice == 2


def test_a_recovery_counts_from_the_last_fault_and_is_over_when_every_partition_is_judged() -> None:
    recoveries = Recoveries()
    recoveries.strike(Strike("SIGKILL", 10.0, {0: 100, 1: 100}))
    recoveries.look({0: 100, 1: 99}, 11.0)
    recoveries.strike(Strike("SIGSTOP", 12.0, {0: 110, 1: 110}))
    recoveries.look({0: 110, 1: 110}, 15.0)
    (over,) = recoveries.done
    assert (over.what, over.seconds, over.behind_s) == ("SIGSTOP", 3.0, 5.0)
