"""References that people give: accepted, promoted, taken back."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bench_of_checkpoints import Ledger, drained, prepared, settings_of
from sqlalchemy import Engine

from monitor.errors import UsageError
from monitor.judge import store
from monitor.judge.promoting import promotable, promote
from monitor.ledger import references
from monitor.records.signals import BY_NAME

CALM = [(100, 1)] * 60
FIRING = [(100, 60)] * 60
ERROR = BY_NAME["error"]
RULES = """
reference: {learn: 1000, at_least: 0s}
rules:
  - {name: errors, signal: error, above: 2x}
"""


@pytest.fixture
def ledger(engine: Engine, tmp_path: Path) -> Ledger:
    return prepared(engine, settings_of(tmp_path, RULES), age_s=7_200)


def pane(ledger: Ledger, number: int) -> datetime:
    return datetime.fromtimestamp(ledger.start_ms / 1000, UTC) + timedelta(seconds=10 * number)


def given(ledger: Ledger, first: int, last: int, origin: str = "promoted") -> int:
    with ledger.engine.begin() as conn:
        return promote(conn, 1, ERROR, pane(ledger, first), pane(ledger, last), origin, "why")


def states(ledger: Ledger) -> list[tuple[object, ...]]:
    return ledger.rows("SELECT state FROM tocsin.incidents ORDER BY opened_at")


def test_what_is_accepted_ends_the_incident_and_the_new_normal_is_quiet(ledger: Ledger) -> None:
    ledger.store_errors(0, CALM)
    ledger.store_errors(60, FIRING)
    judge = drained(ledger.session())
    assert states(ledger) == [("firing",)]
    accepted = given(ledger, 70, 119, "accepted")
    judge.tick()
    assert states(ledger) == [("resolved",)]
    ledger.store_errors(120, FIRING)
    drained(judge)
    assert states(ledger) == [("resolved",)]
    assert ledger.rows("SELECT reference_id FROM tocsin.streams WHERE stream = 'chat-eu'") == [(accepted,)]


def test_a_promoted_reference_is_what_a_change_is_held_against(ledger: Ledger) -> None:
    ledger.store_errors(0, CALM)
    judge = drained(ledger.session())
    promoted = given(ledger, 0, 60)
    judge.tick()
    ledger.store_errors(60, FIRING)
    drained(judge)
    assert ledger.rows("SELECT state, reference_id FROM tocsin.incidents") == [("firing", promoted)]


def test_a_judge_that_takes_over_knows_what_was_given_while_nobody_judged(ledger: Ledger) -> None:
    ledger.store_errors(0, CALM)
    drained(ledger.session())
    ledger.expire_lease()
    promoted = given(ledger, 0, 60)
    ledger.store_errors(60, FIRING)
    drained(ledger.session())
    assert ledger.rows("SELECT reference_id FROM tocsin.incidents") == [(promoted,)]


def test_an_earlier_reference_can_hold_again(ledger: Ledger) -> None:
    ledger.store_errors(0, CALM)
    judge = drained(ledger.session())
    (first,) = [r for (r,) in ledger.rows("SELECT max(reference_id) FROM tocsin.reference_rates")]
    ledger.store_errors(60, FIRING)
    given(ledger, 0, 60)
    with ledger.engine.begin() as conn:
        again = references.again(conn, int(str(first)), "again")
        assert again is not None
        newest = references.add(conn, again)
    drained(judge)
    assert ledger.rows("SELECT reference_id FROM tocsin.incidents") == [(newest,)]
    with ledger.engine.begin() as conn:
        listed = [(r.reference_id, r.origin, r.state) for r in references.listed(conn, "chat-eu")][:2]
    assert listed == [(newest, "promoted", "in force"), (newest - 1, "promoted", "retired")]


def test_the_blocks_of_a_promoted_reference_are_chosen_from_its_panes(ledger: Ledger) -> None:
    ledger.store_errors(0, [(100, i % 3) for i in range(60)])
    drained(ledger.session())
    given(ledger, 0, 60)
    assert ledger.rows("SELECT block_s FROM tocsin_ledger.reference WHERE origin = 'promoted'") == [(10,)]


def test_a_promoted_reference_knows_the_rates_of_its_panes(ledger: Ledger) -> None:
    ledger.store_errors(0, [(10, 1), (1000, 10)] * 30)
    drained(ledger.session())
    given(ledger, 0, 60)
    (found,) = ledger.rows(
        "SELECT panes, pane_rates[2], panes_inverse FROM tocsin_ledger.reference WHERE origin = 'promoted'"
    )
    assert found == pytest.approx((60, 30 * 0.1 + 30 * 0.01, 30 * 0.1 + 30 * 0.001))


def test_an_imported_reference_keeps_the_block_that_its_trial_finds(ledger: Ledger) -> None:
    ledger.store_errors(0, CALM[:1])
    judge = drained(ledger.session())
    eval_set = references.New(
        1, ERROR.code, "imported", False, pane(ledger, 0), pane(ledger, 0), [0, 1], [990, 10]
    )
    with ledger.engine.begin() as conn:
        number = references.add(conn, eval_set)
    judge.tick()
    ledger.store_errors(1, [(100, i % 3) for i in range(370)])
    drained(judge)
    stored = ledger.rows(
        "SELECT reference_id, block_s FROM tocsin_ledger.reference WHERE origin = 'imported'"
    )
    assert stored == [(number, 10)]


def test_a_judge_that_takes_over_knows_the_hours_of_a_reference(ledger: Ledger) -> None:
    ledger.store_errors(0, CALM)
    judge = drained(ledger.session())
    with ledger.engine.begin() as conn:
        promote(conn, 1, ERROR, pane(ledger, 0), pane(ledger, 60), "promoted", "why", by_hour=True)
    ledger.store_errors(60, CALM[:1])
    drained(judge)
    with ledger.engine.begin() as conn:
        memory = store.load(conn)
    assert memory is not None
    assert memory.core.references[1, ERROR.code].hourly
    assert memory.core.hours[1, ERROR.code].panes.sum() == 60
    ledger.expire_lease()
    ledger.store_errors(61, FIRING)
    drained(ledger.session())
    (reference,) = ledger.rows("SELECT reference FROM tocsin.incidents")
    assert reference == (pytest.approx(0.01),)


def test_too_little_is_no_reference(ledger: Ledger) -> None:
    ledger.store_errors(0, [(10, 0)] * 5)
    drained(ledger.session())
    with pytest.raises(UsageError, match="50 values"):
        given(ledger, 0, 5)


def test_every_signal_that_has_a_reference_can_be_promoted(ledger: Ledger) -> None:
    ledger.store_errors(0, CALM)
    drained(ledger.session())
    with ledger.engine.begin() as conn:
        assert promotable(conn, ledger.settings, 1, pane(ledger, 0), pane(ledger, 60)) == [ERROR]
