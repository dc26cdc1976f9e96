"""The signal by minute and by slice, of incidents of every kind of quantity, over the same records."""

import json
from typing import Any

import pytest
from aftermath import Aftermath
from sqlalchemy import text

from monitor.postmortem.page import page
from monitor.postmortem.queries import QUERIES, answer
from monitor.postmortem.words import story

AS_ANOTHER = text("""
    INSERT INTO tocsin_ledger.incident
    SELECT (jsonb_populate_record(i, CAST(:values AS jsonb))).* FROM tocsin_ledger.incident i WHERE incident_id = :id
""")


def asked(made: Aftermath, name: str, signal: str | None, quantity: str | None) -> list[Any]:
    """The rows of a query, had the incident been of that signal and quantity."""
    (query,) = (q for q in QUERIES if q.name == name)
    with made.engine.connect() as conn:
        values = {"incident_id": "another", "signal": signal, "quantity": quantity}
        conn.execute(AS_ANOTHER, {"values": json.dumps(values), "id": made.incident})
        found = answer(conn, query, "another").rows
        conn.rollback()
    return list(found)


@pytest.mark.parametrize(
    ("signal", "quantity", "before", "at_onset", "compared"),
    [
        ("latency_ms", "p50", 400, 400, True),
        ("version", "share:v42", 0, 0.45, True),
        ("version", "share:v41", 1, 0.55, True),
        ("cost_usd", "total", 1.2, 1.2, False),
        ("requests", "count", 600, 600, False),
        (None, None, 600, 600, False),
    ],
)
def test_a_minute_of_the_signal(made, signal, quantity, before, at_onset, compared) -> None:
    rows = asked(made, "signal", signal, quantity)
    # The first minute began before the records did.
    calm = [row for row in rows if row.phase == "before"][1:]
    onset = next(row for row in rows if row.phase == "during")
    assert len(calm) == 9
    assert [row.value for row in calm] == [pytest.approx(before, rel=0.01)] * 9
    assert onset.value == pytest.approx(at_onset, rel=0.01)
    assert {row.reference is not None for row in rows} == {compared}


@pytest.mark.parametrize(
    ("signal", "quantity", "old", "new"), [("version", "share:v42", 0, 1), ("latency_ms", "p99", 400, None)]
)
def test_the_slices_of_shares_and_percentiles(made, signal, quantity, old, new) -> None:
    during = {row.value: row.during for row in asked(made, "slices", signal, quantity)}
    assert during["v41"] == pytest.approx(old, rel=0.01)
    assert during.get("v42") == (None if new is None else pytest.approx(new))


def test_what_has_no_slices_has_no_rows(made) -> None:
    assert asked(made, "slices", None, None) == []


def test_the_page_of_one_that_goes_on_and_that_nobody_heard_of(made) -> None:
    with made.engine.connect() as conn:
        values = {"incident_id": "another", "state": "firing", "resolved_at": None, "acknowledged_at": None}
        conn.execute(AS_ANOTHER, {"values": json.dumps(values), "id": made.incident})
        answers = {query.name: answer(conn, query, "another") for query in QUERIES}
        conn.rollback()
    written = page("another", answers)
    assert "It is still going on." in written
    assert "Nobody was told when it opened." in written
    assert "tripped" not in " ".join(story(answers))
