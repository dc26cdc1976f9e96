"""Rule 8: a checkpoint that the database refuses is bisected down to the record."""

from hypothesis import given
from hypothesis import strategies as st

from monitor.ingest.bisect import Bisection


def stored_and_given_up(
    first: int, until: int, poison: set[int]
) -> tuple[list[tuple[int, int]], list[int], int]:
    """Run a bisection of [first, until) against a ledger that refuses any range with a poisonous offset."""
    bisection, at, good, bad, tries = Bisection(), first, [], [], 0
    bisection.refused(first, until)
    while bisection.until is not None:
        tries += 1
        end = bisection.until
        if bisection.given_up:
            bad.append(at)
        elif any(at <= offset < end for offset in poison):
            bisection.refused(at, end)
            continue
        else:
            good.append((at, end))
        bisection.stored(end)
        at = end
    return good, bad, tries


def test_in_normal_times_a_checkpoint_may_end_anywhere() -> None:
    assert Bisection().until is None
    assert not Bisection().given_up


@given(st.integers(0, 10**6), st.integers(2, 3_000), st.data())
def test_exactly_the_poisonous_records_are_given_up_and_all_others_stored(
    first: int, n: int, data: st.DataObject
) -> None:
    poison = data.draw(st.sets(st.integers(first, first + n - 1), min_size=1, max_size=5))
    good, bad, _ = stored_and_given_up(first, first + n, poison)
    assert set(bad) == poison
    covered = sorted([*(offset for a, b in good for offset in range(a, b)), *bad])
    assert covered == list(range(first, first + n))


def test_one_record_among_five_thousand_takes_some_dozen_tries() -> None:
    _, bad, tries = stored_and_given_up(0, 5_000, {1_234})
    assert bad == [1_234]
    assert tries <= 40


def test_a_single_record_is_given_up_at_once() -> None:
    bisection = Bisection()
    bisection.refused(7, 8)
    assert bisection.given_up
    assert bisection.until == 8
    bisection.stored(8)
    assert bisection.until is None
