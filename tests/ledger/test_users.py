"""Distinct users in SQL: the same numbers as Python's, by pane and over panes."""

from datetime import datetime

import numpy as np
import pytest
from ledger_rows import PANE, T0, Rows

from monitor.records.fold import SKETCH_SIZE
from monitor.records.signals import ALL_USERS, FAILED_USERS
from monitor.records.users import distinct_users, user_hashes


def keep(
    rows: Rows, names: list[str], *, at: datetime = T0, signal: int = ALL_USERS, late: bool = False
) -> None:
    hashes = np.unique(user_hashes(names))[:SKETCH_SIZE].tolist()
    where = {"stream_id": 1, "slice_id": 0, "pane_start": at, "evidence_start": at + PANE * 7 if late else at}
    rows.add("pane", signal=signal, n=len(hashes), buckets=hashes, counts=[1] * len(hashes), **where)


def people(first: int, last: int) -> list[str]:
    return [f"user-{i}" for i in range(first, last)]


def test_few_are_exact_and_late_records_merge(rows):
    keep(rows, people(0, 100))
    keep(rows, people(90, 120), late=True)
    keep(rows, people(0, 7), signal=FAILED_USERS)
    keep(rows, people(0, 5), at=T0 + PANE)
    assert rows.read("SELECT * FROM tocsin.users ORDER BY pane_start") == [
        ("chat-eu", T0, 120, 7),
        ("chat-eu", T0 + PANE, 5, 0),
    ]


@pytest.mark.parametrize("n", [255, 256, 257, 5_000, 300_000])
def test_many_are_estimated_as_in_python(rows, n):
    keep(rows, people(0, n))
    estimate, _ = distinct_users(user_hashes(people(0, n)))
    assert rows.read("SELECT users FROM tocsin.users") == [(estimate,)]


def test_users_of_several_panes_are_counted_once(rows):
    parts = [(0, 3_000), (2_000, 4_000), (3_500, 6_000)]
    for i, (first, last) in enumerate(parts):
        keep(rows, people(first, last), at=T0 + PANE * i)
        keep(rows, people(first, first + 20), at=T0 + PANE * i, signal=FAILED_USERS)
    sql = "SELECT * FROM tocsin.distinct_users('chat-eu', since => :since, until => :until)"
    everyone, _ = distinct_users(user_hashes(people(0, 6_000)))
    assert rows.read(sql, since=T0, until=T0 + PANE * 3) == [(everyone, 60)]
    first_two, _ = distinct_users(user_hashes(people(0, 4_000)))
    assert rows.read(sql, since=T0, until=T0 + PANE * 2) == [(first_two, 40)]
    assert rows.read(sql, since=T0 + PANE * 5, until=T0 + PANE * 6) == [(0, 0)]


def test_what_rules_read_does_not_show_hashes(rows):
    keep(rows, people(0, 3))
    for view in ("rates", "quantiles", "categories", "calibration"):
        assert rows.read(f"SELECT * FROM tocsin.{view}") == []
