"""Rule 14: who has a place is decided in the ledger, once for all replicas."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, text

from monitor.config.rule import Match
from monitor.ledger.admission import Admission, named_in, retire_unseen, translate
from monitor.ledger.engine import connect
from monitor.ledger.places import LedgerIds
from monitor.records.delta import Cells, Delta, Intake
from monitor.records.names import Names
from monitor.records.signals import BY_NAME

DAY_MS = 86_400_000
LANGUAGE = BY_NAME["output_language"].code
ERROR = BY_NAME["error"].code


def admitting(engine: Engine, *, maximum: int, **given: Any) -> Admission:
    always = {"always": given.pop("always")} if "always" in given else {}
    return Admission(LedgerIds(engine, **given), maximum=maximum, **always)


def key(number: int) -> tuple[str, dict[str, str]]:
    return f"model-{number}", {"model": f"model-{number}"}


def age(ledger: Engine, table: str, days: float) -> None:
    with ledger.begin() as connection:
        connection.execute(
            text(f"UPDATE tocsin_ledger.{table} SET seen_at = seen_at - :days * interval '1 day'"),
            {"days": days},
        )


@pytest.fixture
def replicas(ledger_url: str) -> Iterator[list[Engine]]:
    engines = [connect(ledger_url) for _ in range(4)]
    yield engines
    for engine in engines:
        engine.dispose()


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_stream_that_a_rule_names_takes_a_place_from_those_that_come_after_it(ledger):
    admission = admitting(ledger, maximum=3, always=lambda labels: labels["model"] in ("model-8", "model-9"))
    found = [admission.streams([key(n) for n in batch]) for batch in ((8, 9), (1,), (2,), (3,))]
    assert [i > 0 for batch in found for i in batch] == [True, True, True, False, False]


def test_rule_14_four_replicas_with_1500_names_fill_exactly_the_places_and_agree(ledger, replicas):
    barrier = Barrier(len(replicas))

    def admit(engine: Engine, seed: int) -> dict[int, int]:
        admission = admitting(engine, maximum=1000)
        numbers = np.random.default_rng(seed).permutation(1500).tolist()
        barrier.wait()
        ids = {}
        for start in range(0, 1500, 100):
            batch = numbers[start : start + 100]
            ids.update(zip(batch, admission.streams([key(n) for n in batch]), strict=True))
        return ids

    with ThreadPoolExecutor(len(replicas)) as pool:
        answers = list(pool.map(admit, replicas, range(len(replicas))))

    assert answers[1:] == answers[:1] * 3
    ids = list(answers[0].values())
    assert ids.count(0) == 500
    assert len(set(ids)) == 1001
    with ledger.connect() as connection:
        rows = connection.execute(text("SELECT key, stream_id FROM tocsin_ledger.stream")).all()
    assert dict(rows) == {"(other)": 0} | {f"model-{n}": i for n, i in answers[0].items() if i}


def test_an_id_once_given_stays(ledger):
    first = admitting(ledger, maximum=2).streams([key(1), key(2), key(3)])
    assert first == [1, 2, 0]
    assert admitting(ledger, maximum=2).streams([key(3), key(2), key(1)]) == [0, 2, 1]


def test_the_stream_other_is_stream_0_and_takes_no_place(ledger):
    assert admitting(ledger, maximum=1).streams([("(other)", {"model": "(other)"}), key(1)]) == [0, 1]


def test_labels_are_stored_as_they_are(ledger):
    admitting(ledger, maximum=1).streams([("a%2Fb/eu", {"model": "a/b", "region": 'e"u'})])
    with ledger.connect() as connection:
        row = connection.execute(
            text("SELECT stream, labels, state FROM tocsin.streams WHERE stream <> '(other)'")
        ).one()
    assert row == ("a%2Fb/eu", {"model": "a/b", "region": 'e"u'}, "learning")


def test_a_stream_named_in_a_rules_match_is_admitted_though_all_places_are_taken(ledger):
    named = named_in([Match({"model": ("model-9",)})])
    admission = admitting(ledger, maximum=2, always=named)
    assert admission.streams([key(1), key(2), key(3), key(9)]) == [1, 2, 0, 3]


@pytest.mark.parametrize(
    ("globs", "named"),
    [
        ({"model": ("chat-eu",)}, True),
        ({"model": ("chat-*", "chat-eu")}, True),
        ({"model": ("*",)}, False),
        ({"model": ("chat-*",)}, False),
        ({"model": ("!chat-us",)}, False),
        ({"model": ("chat-eu", "!*-eu")}, False),
        ({"model": ("chat-eu",), "region": ("us",)}, False),
        ({}, False),
    ],
)
def test_a_match_names_a_stream_only_where_it_spells_out_a_label_and_accepts_the_others(globs, named):
    assert named_in([Match(globs)])({"model": "chat-eu", "region": "eu"}) is named


def test_a_stream_unseen_for_seven_days_frees_its_place_and_gets_its_id_back_once_there_is_room(ledger):
    admitting(ledger, maximum=1).streams([key(1)])
    age(ledger, "stream", 7.1)
    assert admitting(ledger, maximum=1).streams([key(2)]) == [2]
    assert admitting(ledger, maximum=1).streams([key(1)]) == [0]
    age(ledger, "stream", 7.1)
    assert admitting(ledger, maximum=1).streams([key(1), key(2)]) == [1, 0]


def test_a_stream_that_goes_on_is_seen_and_keeps_its_place(ledger):
    clock = Clock()
    admission = admitting(ledger, maximum=1, clock=clock)
    for _ in range(9):
        assert admission.streams([key(1), key(2)]) == [1, 0]
        clock.now += 86_400
        age(ledger, "stream", 1)


def test_a_replica_that_remembers_an_id_has_asked_again_before_the_place_can_be_lost(ledger):
    clock = Clock()
    admission = admitting(ledger, maximum=1, retire_after_ms=DAY_MS, clock=clock)
    admission.streams([key(1)])
    age(ledger, "stream", 1.1)
    clock.now += 3_600.1
    assert admitting(ledger, maximum=1, retire_after_ms=DAY_MS).streams([key(2)]) == [2]
    assert admission.streams([key(1)]) == [0]


def test_a_name_refused_is_asked_for_again_after_a_minute(ledger):
    clock = Clock()
    admission = admitting(ledger, maximum=1, clock=clock)
    assert admission.streams([key(1), key(2)]) == [1, 0]
    age(ledger, "stream", 7.1)
    clock.now += 59
    assert admission.streams([key(2)]) == [0]
    clock.now += 2
    assert admission.streams([key(2)]) == [2]


def test_the_view_shows_streams_long_unseen_as_retired_until_they_come_back(ledger):
    admitting(ledger, maximum=2).streams([key(1)])
    age(ledger, "stream", 8)
    admitting(ledger, maximum=2).streams([key(2)])
    assert retire_unseen(ledger) == 1
    assert states(ledger) == {"(other)": "learning", "model-1": "retired", "model-2": "learning"}
    admitting(ledger, maximum=2).streams([key(1)])
    assert states(ledger)["model-1"] == "learning"


def states(ledger: Engine) -> dict[str, str]:
    with ledger.connect() as connection:
        return dict(connection.execute(text("SELECT stream, state FROM tocsin.streams")).all())


def test_a_field_has_200_slices_and_then_other(ledger):
    admission = admitting(ledger, maximum=10)
    stream, another = admission.streams([key(1), key(2)])
    ids = admission.slices([(stream, "country", f"c{n}") for n in range(250)])
    assert len(set(ids[:200])) == 200
    assert len(set(ids[200:])) == 1
    assert not set(ids[200:]) & set(ids[:200])
    assert admission.slices([(stream, "country", "(other)")]) == ids[-1:]
    assert (
        len(set(admission.slices([(another, "country", "c249"), (stream, "version", "c249")])) - set(ids))
        == 2
    )


def test_slices_long_unseen_make_room(ledger):
    stream, *_ = admitting(ledger, maximum=1).streams([key(1)])
    old = admitting(ledger, maximum=1).slices([(stream, "version", f"v{n}") for n in range(200)])
    age(ledger, "slice", 7.1)
    new = admitting(ledger, maximum=1).slices([(stream, "version", f"w{n}") for n in range(200)])
    assert not set(old) & set(new)
    with ledger.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tocsin_ledger.slice")).scalar_one() == 400


def test_categories_count_from_2_within_stream_and_signal_up_to_200_and_then_are_1(ledger):
    admission = admitting(ledger, maximum=10)
    stream, another = admission.streams([key(1), key(2)])
    wanted = [(stream, LANGUAGE, f"l{n}") for n in range(250)]
    assert admission.categories(wanted) == [*range(2, 202), *[1] * 50]
    assert admission.categories([(another, LANGUAGE, "l249"), (stream, ERROR, "x"), wanted[7]]) == [2, 2, 9]
    assert admission.categories([(stream, LANGUAGE, "(other)")]) == [1]


def test_replicas_agree_on_slices_and_categories(ledger, replicas):
    stream, *_ = admitting(ledger, maximum=1).streams([key(1)])
    barrier = Barrier(len(replicas))

    def admit(engine: Engine, seed: int) -> dict[int, tuple[int, int]]:
        admission = admitting(engine, maximum=1)
        numbers = np.random.default_rng(seed).permutation(300).tolist()
        barrier.wait()
        answers = {}
        for start in range(0, 300, 50):
            batch = numbers[start : start + 50]
            slices = admission.slices([(stream, "version", f"v{n}") for n in batch])
            categories = admission.categories([(stream, LANGUAGE, f"l{n}") for n in batch])
            answers.update(zip(batch, zip(slices, categories, strict=True), strict=True))
        return answers

    with ThreadPoolExecutor(len(replicas)) as pool:
        answers = list(pool.map(admit, replicas, range(len(replicas))))
    assert answers[1:] == answers[:1] * 3
    assert len({s for s, _ in answers[0].values()}) == 201
    assert len({c for _, c in answers[0].values()}) == 201


def test_known_names_are_answered_while_another_replica_holds_the_lock_and_the_rows(ledger):
    admitting(ledger, maximum=2).streams([key(1)])
    age(ledger, "stream", 0.5)
    with ledger.begin() as busy:
        busy.execute(text("SELECT pg_advisory_xact_lock(1953457014)"))
        busy.execute(text("UPDATE tocsin_ledger.stream SET learned = learned + 1"))
        assert admitting(ledger, maximum=2).streams([key(1)]) == [1]


def test_an_intake_gets_the_ledgers_ids_and_what_falls_together_is_added_up(ledger):
    with ledger.begin() as connection:
        connection.execute(
            text("SELECT setval(pg_get_serial_sequence('tocsin_ledger.stream', 'stream_id'), 41)")
        )
    names = Names(("model",), 10)
    streams = [names.stream_code((f"model-{n}",), 0) for n in range(3)]
    versions = [names.slice_code(s, "version", "v1") for s in streams]
    german = [names.category_code(s, LANGUAGE, "de") for s in streams]
    ones = np.ones(3, np.int64)
    cells = Cells(
        stream=np.array(streams), slice=np.array(versions), signal=ones * LANGUAGE,
        pane=ones, evidence=ones, bucket=np.array(german), count=ones * 5,
    )  # fmt: skip
    intake = Intake(0, 15, 15, None, None, Delta(cells=cells))
    moved = translate(intake, names, admitting(ledger, maximum=1)).delta.cells
    rows = sorted(
        zip(
            moved.stream.tolist(),
            moved.slice.tolist(),
            moved.bucket.tolist(),
            moved.count.tolist(),
            strict=True,
        )
    )
    with ledger.connect() as connection:
        slices = dict(connection.execute(text("SELECT stream_id, slice_id FROM tocsin_ledger.slice")).all())
        values = dict(connection.execute(text("SELECT stream_id, value FROM tocsin_ledger.slice")).all())
    assert rows == [(0, slices[0], 2, 10), (42, slices[42], 2, 5)]
    assert values == {0: "(other)", 42: "v1"}
