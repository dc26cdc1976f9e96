"""The signal by minute and by slice, of incidents of every kind of quantity, over the same records."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from aftermath import Aftermath
from sqlalchemy import text

from monitor.postmortem.page import described, page
from monitor.postmortem.queries import QUERIES, Answer, Query, answer
from monitor.postmortem.words import story

AS_ANOTHER = text("""
    INSERT INTO tocsin_ledger.incident
    SELECT (jsonb_populate_record(i, CAST(:values AS jsonb))).* FROM tocsin_ledger.incident i WHERE incident_id = :id
""")


def answered(made: Aftermath, queries: Iterable[Query] = QUERIES, **columns: object) -> dict[str, Answer]:
    """What queries come to, had the incident had these columns."""
    with made.engine.connect() as conn:
        values = {"incident_id": "another", **columns}
        conn.execute(AS_ANOTHER, {"values": json.dumps(values), "id": made.incident})
        answers = {query.name: answer(conn, query, "another") for query in queries}
        conn.rollback()
    return answers


def asked(
    made: Aftermath,
    name: str,
    signal: str | None,
    quantity: str | None,
    columns: Mapping[str, object] | None = None,
    **facts: object,
) -> list[Any]:
    """The rows of a query, had the incident been of that signal and quantity."""
    values = {"signal": signal, "quantity": quantity, "facts": facts, **(columns or {})}
    return list(answered(made, [q for q in QUERIES if q.name == name], **values)[name].rows)


@pytest.mark.parametrize(
    ("signal", "quantity", "before", "at_onset", "compared"),
    [
        ("latency_ms", "p50", 400, 400, True),
        ("latency_ms", "p10", 400, 400, True),
        ("latency_ms", "p99.9", 400, 400, True),
        ("version", "share:v42", 0, 0.45, True),
        ("version", "share:v41", 1, 0.55, True),
        ("cost_usd", "total", 1.2, 1.2, False),
        ("error", "total", 6, 273, False),
        ("requests", "total", 600, 600, False),
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


@pytest.mark.parametrize(("limit", "before"), [(100, 1), (390, 1), (400, 0), (500, 0)])
def test_an_objective_on_a_distribution_shows_the_share_beyond_its_limit(made, limit, before) -> None:
    budget = {"target": 0.99, "over_ms": 2_592_000_000, "left": 0.5, "below": limit}
    rows = asked(made, "signal", "latency_ms", "rate", budget=budget)
    assert [row.value for row in rows if row.phase == "before"][1:] == [before] * 9
    slices = {row.value: row for row in asked(made, "slices", "latency_ms", "rate", budget=budget)}
    assert (slices["v41"].before, slices["v41"].during) == (before, before)


@pytest.mark.parametrize(
    ("side", "edge", "value", "reference"),
    [("down", 0.001, 0, 0.1), ("down", 0.003, 1, 0.1), ("up", 0.001, 1, 0.9), ("up", 0.003, 0, 0.9)],
)
def test_a_percentile_that_is_judged_in_points_is_drawn_as_the_share_beyond_its_edge(
    made, side, edge, value, reference
) -> None:
    found = asked(
        made,
        "signal",
        "cost_usd",
        "p10",
        columns={"tolerance": "10pp", "at_least": edge},
        side=side,
        limit=0.31,
    )
    assert {(row.value, row.reference, row.at_least) for row in found} == {(value, reference, 0.31)}


@pytest.mark.parametrize(
    ("signal", "quantity", "before", "at_onset"),
    [("error", "rate", 0.01, 0), ("version", "share:v41", 1, 1), ("latency_ms", "p50", 400, 400)],
)
def test_what_alarmed_of_one_version_is_drawn_of_that_version(
    made, signal, quantity, before, at_onset
) -> None:
    rows = asked(made, "signal", signal, quantity, part=("version", "v41"))
    calm = [row.value for row in rows if row.phase == "before"][1:]
    onset = next(row for row in rows if row.phase == "during")
    assert calm == [pytest.approx(before, rel=0.01)] * 9
    assert onset.value == pytest.approx(at_onset, rel=0.2, abs=0.01)
    assert asked(made, "signal", signal, quantity, part=("version", "never")) == []


@pytest.mark.parametrize(
    ("signal", "quantity", "v41", "v42"),
    [
        ("version", "share:v42", (0, 0), (None, 1)),
        ("latency_ms", "p99", (400, 400), None),
        ("latency_ms", "p10", (400, 400), None),
        ("cost_usd", "p70", (0.002, 0.002), (None, 0.002)),
    ],
)
def test_the_slices_of_every_quantity(made, signal, quantity, v41, v42) -> None:
    found = {row.value: (row.before, row.during) for row in asked(made, "slices", signal, quantity)}
    wanted = {"v41": v41} | ({"v42": v42} if v42 else {})
    assert found.keys() == wanted.keys()
    for version, figures in wanted.items():
        assert found[version] == (
            pytest.approx(figures[0], rel=0.1) if figures[0] is not None else None,
            pytest.approx(figures[1], rel=0.1),
        )


@pytest.mark.parametrize(("signal", "before", "of_v42"), [("cost_usd", 0.4, 0.6), ("error", 2, 1)])
def test_the_slices_of_a_total_are_of_a_minute_each(made, signal, before, of_v42) -> None:
    found = {row.value: row for row in asked(made, "slices", signal, "total")}
    # Of the half hour before there are ten minutes; until the end in event time v41 came alone again for a while.
    assert found["v41"].before == pytest.approx(before, rel=0.01)
    assert found["v42"].before is None
    during = found["v41"].during + found["v42"].during
    assert found["v42"].during / during == pytest.approx(of_v42, abs=0.05)


def test_versions_are_left_out_where_what_failed_states_none(made) -> None:
    with made.engine.connect() as conn:
        conn.execute(text("UPDATE tocsin_ledger.slice SET value = '(none)' WHERE value = 'v42'"))
        (query,) = (q for q in QUERIES if q.name == "slices")
        rows = answer(conn, query, made.incident).rows
        conn.rollback()
    assert rows == []


def test_what_has_no_slices_has_no_rows(made) -> None:
    assert asked(made, "slices", None, None) == []


def test_the_page_of_one_that_goes_on_and_that_nobody_heard_of(made) -> None:
    answers = answered(made, state="firing", resolved_at=None, ended_at=None, acknowledged_at=None)
    written = page("another", answers)
    assert "It is still going on." in written
    assert "Nobody was told when it opened." in written
    assert "tripped" not in " ".join(story(answers))


def test_the_page_names_the_part_and_the_limit_that_the_incident_is_about(made) -> None:
    facts = {"part": ["version", "v41"], "budget": {"target": 0.99, "over_ms": 1, "left": 1, "below": 500}}
    answers = answered(made, signal="latency_ms", quantity="rate", facts=facts, affected=12, total=600)
    told = " ".join(story(answers))
    assert "by rule errors on chat (version v41)." in told
    assert "When it was last told, 12 of 600 records had shown it." in told
    title = described(answers)["encoding"]["y"]["axis"]["title"]
    assert title == "share of latency_ms above 500 of version v41"


def test_what_was_found_in_a_backlog_ends_when_its_records_say(made) -> None:
    answers = answered(made, historical=True, resolved_at="2099-01-01T00:00:00Z")
    told = " ".join(story(answers))
    assert "was found in a backlog that was read " in told
    assert "2099" not in told
    assert {row.phase for row in answers["signal"].rows} == {"before", "during", "after"}
