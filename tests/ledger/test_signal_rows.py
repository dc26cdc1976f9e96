"""The registry of signals in the ledger, Tocsin's and the user's."""

import re
from pathlib import Path

import numpy as np
import pytest
from ledger_rows import PANE, T0

from monitor.errors import UsageError
from monitor.ledger.signal_rows import register_all
from monitor.records.signals import FIRST_USER_CODE, INTERNAL, SIGNALS, Kind
from monitor.records.user_signals import UserSignal, user_signal

DOCS = Path(__file__).parents[2] / "docs" / "signals.md"


def own(name: str, kind: Kind = Kind.DISTRIBUTION, *, probability: bool = False) -> UserSignal:
    return UserSignal(user_signal(name, kind, "x", probability=probability), ("x",))


def stored(ledger) -> dict[str, tuple[int, str, str, str | None]]:
    with ledger.connect() as connection:
        rows = connection.exec_driver_sql("SELECT code, name, kind, unit, scale FROM tocsin_ledger.signal")
        return {row.name: (row.code, row.kind, row.unit, row.scale) for row in rows}


def test_a_users_signals_have_rows_of_their_own_and_keep_them(ledger):
    income, job = own("income"), own("job", Kind.CATEGORY)
    register_all(ledger, [income, job])
    register_all(ledger, [income])
    found = stored(ledger)
    assert found["income"] == (income.signal.code, "distribution", "units", "log")
    assert found["missing.income"] == (income.missing.code, "rate", "share", None)
    assert found["job"] == (job.signal.code, "category", "share", None)
    assert len(found) == len(SIGNALS) + len(INTERNAL) + 4


def test_views_name_what_panes_hold_by_them(rows):
    declined = own("declined", Kind.RATE)
    register_all(rows.ledger, [declined])
    where = {"stream_id": 1, "slice_id": 0, "pane_start": T0, "evidence_start": T0}
    rows.add("pane", signal=declined.signal.code, n=4, buckets=[0, 1], counts=[3, 1], **where)
    assert rows.read("SELECT signal, k, n FROM tocsin.rates") == [("declined", 1, 4)]


def test_abstentions_and_unlabelled_answers_are_shown_beside_confidence_and_accuracy(rows):
    rows.pane("error", {0: 90, 1: 10})
    rows.pane("abstained", {0: 60, 1: 20})
    rows.values("confidence", np.full(70, 0.9))
    rows.pane("incorrect", {0: 30, 1: 10})
    rows.pane("error", {0: 5}, at=T0 + PANE)
    rows.pane("incorrect", {1: 3}, at=T0 + PANE * 2)
    query = re.findall(r"```sql\n(.*?)```", DOCS.read_text(), re.DOTALL)[0].rstrip(";\n")
    assert rows.read(query.replace("now() - interval '1 hour'", "'epoch'")) == [
        ("chat-eu", T0, 90, 20, 70, 40, 0.25),
        ("chat-eu", T0 + PANE, 5, 0, 0, 0, None),
        ("chat-eu", T0 + PANE * 2, 0, 0, 0, 3, 1.0),
    ]


def test_coverage_is_what_a_signal_counts_of_the_answers_of_a_pane(rows):
    rows.pane("error", {0: 90, 1: 10})
    rows.pane("error", {0: 10}, late=True)
    rows.pane("error", {0: 50}, stream=2)
    rows.pane("error", {0: 60}, part=1)
    rows.pane("abstained", {0: 60, 1: 20})
    rows.values("score", np.full(70, 0.9))
    rows.pane("negative_feedback", {0: 3, 1: 1})
    assert rows.read(
        "SELECT * FROM tocsin.coverage WHERE stream = 'chat-eu' ORDER BY n DESC, signal LIMIT 3"
    ) == [
        ("chat-eu", "score", T0, 70, 100, 20),
        ("chat-eu", "negative_feedback", T0, 4, 100, 20),
        ("chat-eu", "abs_error", T0, 0, 100, 20),
    ]


@pytest.mark.parametrize(
    ("now", "was", "is_"),
    [
        (own("income", Kind.RATE), "distribution on a log scale", "rate"),
        (own("income", probability=True), "distribution on a log scale", "distribution on a logit scale"),
    ],
)
def test_a_signal_keeps_its_kind(ledger, now, was, is_):
    register_all(ledger, [own("income")])
    with pytest.raises(UsageError) as refused:
        register_all(ledger, [now])
    assert str(refused.value) == (
        f"signals.income is a {is_} here, and the ledger has panes of it as a {was}: "
        "give the new one another name"
    )


def test_a_number_that_another_name_has_had_is_refused(ledger):
    register_all(ledger, [own("income")])
    with ledger.begin() as connection:
        connection.exec_driver_sql("UPDATE tocsin_ledger.signal SET name = 'wages' WHERE name = 'income'")
    with pytest.raises(
        UsageError, match=r"signals\.income has the same number as wages, which the ledger has"
    ):
        register_all(ledger, [own("income")])


def test_a_users_signal_makes_way_for_one_of_tocsins_with_its_name(ledger):
    with ledger.begin() as connection:
        connection.exec_driver_sql("DELETE FROM tocsin_ledger.signal WHERE name = 'stale_cache'")
        connection.exec_driver_sql(
            f"INSERT INTO tocsin_ledger.signal VALUES ({FIRST_USER_CODE}, 'stale_cache', 'rate', 'share')"
        )
    register_all(ledger, [])
    found = stored(ledger)
    assert found["stale_cache"][0] == 15
    assert found["stale_cache (alerts.yaml)"][0] == FIRST_USER_CODE
