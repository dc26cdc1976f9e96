"""Distinct users of a pane: exact while few, estimated from the smallest hashes of many, merged exactly."""

import random
import uuid
from collections.abc import Callable

import numpy as np
import pytest
from record_building import CLOCK_MS, START_MS, Counted, Partition, batch, count, value

from monitor.records import fold
from monitor.records.fold import SKETCH_SIZE
from monitor.records.signals import ALL_USERS, FAILED_USERS
from monitor.records.users import distinct_users, user_hashes

Naming = Callable[[int], str]
HASHES = [-78253744, 1573340912, -192427483, 809102145]


def found(counted: Counted, code: int = ALL_USERS) -> tuple[int, bool]:
    cells = counted.intake.delta.cells
    return distinct_users(cells.bucket[cells.signal == code])


def test_each_user_counts_once_and_apart_where_a_request_failed() -> None:
    counted = count(
        value(user="ada"),
        value(user="ada", status="error"),
        value(user="bob"),
        value(user="cy", status="timeout"),
        value(user="di", status="rejected"),
        value(user=7),
    )
    assert found(counted) == (5, True)
    assert found(counted, FAILED_USERS) == (2, True)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"user": None},
        {"user": ""},
        {"user": {"name": "ada"}},
        {"user": "ada", "type": "feedback", "rating": 1},
    ],
)
def test_what_names_no_user_or_is_no_prediction_counts_none(fields: dict[str, object]) -> None:
    assert found(count(value(**fields))) == (0, True)


def test_names_are_not_stored() -> None:
    cells = count(value(user="ada lovelace")).intake.delta.cells
    hashes = cells.bucket[cells.signal == ALL_USERS]
    assert hashes.tolist() == user_hashes(["ada lovelace"]).tolist()
    assert -(2**31) < hashes[0] < 2**31


def test_a_hash_is_the_same_in_every_process() -> None:
    assert user_hashes(["ada", "bob", "é", "\ud800"]).tolist() == HASHES


@pytest.mark.parametrize("n", [1, 100, 255])
def test_few_users_are_counted_exactly(n: int) -> None:
    values = [value(user=f"user-{i % n}") for i in range(2 * n)]
    assert found(count(*values)) == (n, True)


@pytest.mark.parametrize("n", [400, 3_000, 50_000, 2_000_000])
@pytest.mark.parametrize(
    "naming",
    [
        lambda i: f"user-{i:07d}",
        str,
        lambda i: uuid.UUID(int=random.Random(i).getrandbits(128)).hex,
        lambda i: f"{i}@x.ch",
    ],
    ids=["padded", "numbers", "uuids", "addresses"],
)
def test_of_many_the_estimate_is_within_four_standard_errors(n: int, naming: Naming) -> None:
    if n > 100_000 and naming is not str:
        naming = "u{:x}".format
    users, exact = distinct_users(user_hashes([naming(i) for i in range(n)]))
    assert not exact
    assert users == pytest.approx(n, rel=4 / np.sqrt(SKETCH_SIZE - 2))


def test_folding_keeps_the_smallest_whatever_the_order_of_its_parts() -> None:
    rng = np.random.default_rng(5)
    names = [f"u{i}" for i in rng.integers(0, 2_000, 6_000).tolist()]
    deltas = [count(*(value(user=n) for n in part)).intake.delta for part in np.array_split(names, 7)]
    whole = fold.fold(deltas).cells
    kept = whole.bucket[whole.signal == ALL_USERS]
    assert kept.tolist() == np.unique(user_hashes(names))[:SKETCH_SIZE].tolist()
    pairs = fold.fold([fold.fold(deltas[4:]), fold.fold(deltas[:4])]).cells
    assert pairs.bucket[pairs.signal == ALL_USERS].tolist() == kept.tolist()
    mine = whole.signal == ALL_USERS
    seen = dict(zip(kept.tolist(), whole.count[mine].tolist(), strict=True))
    hashes, counts = np.unique(user_hashes(names), return_counts=True)
    assert seen == dict(zip(hashes[:SKETCH_SIZE].tolist(), counts[:SKETCH_SIZE].tolist(), strict=True))


def test_panes_and_streams_have_users_of_their_own() -> None:
    partition = Partition.make()
    values = [value(user="ada"), value(user="ada", ts=START_MS + 10_000), value(user="ada", model="chat-us")]
    partition.aggregator.add(batch(values), CLOCK_MS)
    cells = partition.aggregator.take().delta.cells
    mine = cells.signal == ALL_USERS
    assert len(set(zip(cells.stream[mine].tolist(), cells.pane[mine].tolist(), strict=True))) == 3
    assert cells.count[mine].tolist() == [1, 1, 1]
