"""Rule 15: panes grow coarser with age, and every sum stays."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Event

import numpy as np
import pytest
from ledger_rows import PANE, Rows
from sqlalchemy import Engine, text

from monitor.ledger import partitions
from monitor.ledger.engine import connect
from monitor.ledger.moments import millis
from monitor.ledger.rolling import ROLL_LOCK, roll_up
from monitor.ledger.tables import DAY_MS, PANE_5M, PANE_10S, alone, drop_old, ensure_pane_days
from monitor.records.signals import ALL_USERS

DAY = datetime(2026, 11, 14, tzinfo=UTC)
LONG_AFTER = millis(DAY + timedelta(days=4))
MONTHS_AFTER = millis(DAY + timedelta(days=40))
SIGNALS = {
    "requests": [0],
    "error": [0, 1],
    "latency_ms": list(range(200, 260)),
    "output_language": [0, 2, 3],
}

SUMS = {
    "panes": "SELECT stream, sum(n), sum(late) FROM tocsin.panes GROUP BY 1 ORDER BY 1",
    "rates": "SELECT stream, signal, sum(k), sum(n) FROM tocsin.rates GROUP BY 1, 2 ORDER BY 1, 2",
    "rates_by": (
        "SELECT stream, signal, value, sum(k), sum(n) FROM tocsin.rates_by GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ),
    "categories": (
        "SELECT stream, signal, category, sum(n) FROM tocsin.categories GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    ),
    "quantile": (
        "SELECT q, tocsin.quantile('chat-eu', 'latency_ms', q, '2026-11-14Z', '2026-11-15Z') "
        "FROM unnest('{0, .1, .5, .9, .999, 1}'::float8[]) AS q"
    ),
    "total": "SELECT sum(total) FROM tocsin_ledger.pane",
}


def read(ledger: Engine, query: str) -> list[tuple[object, ...]]:
    with ledger.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def sums(ledger: Engine) -> dict[str, list[tuple[object, ...]]]:
    return {name: read(ledger, query) for name, query in SUMS.items()}


def steps(ledger: Engine) -> dict[int, int]:
    return dict(read(ledger, "SELECT step_s, count(*) FROM tocsin_ledger.pane GROUP BY 1"))


@pytest.fixture
def day(ledger: Engine) -> Iterator[Rows]:
    """Two hours of a day with all kinds of signals, sliced, some of it late, in two streams."""
    rows, rng = Rows(ledger), np.random.default_rng(17)
    ensure_pane_days(ledger, [millis(DAY) // DAY_MS])
    for i in rng.choice(720, 90, replace=False).tolist():
        for signal, buckets in SIGNALS.items():
            counts = {b: int(rng.integers(1, 9)) for b in rng.choice(buckets, min(len(buckets), 5)).tolist()}
            where = {"stream": 1 + i % 2, "late": i % 7 == 0, "part": i % 3}
            rows.pane(signal, counts, at=DAY + i * PANE, **where)
    return rows


def test_every_sum_is_the_same_after_it_and_pane_start_is_coarser(day):
    before = sums(day.ledger)
    assert roll_up(day.ledger, LONG_AFTER) > 0
    assert sums(day.ledger) == before
    assert set(steps(day.ledger)) == {300}
    assert read(
        day.ledger, "SELECT count(*) FROM tocsin.panes WHERE extract(epoch FROM pane_start) % 300 <> 0"
    ) == [(0,)]


def test_five_minutes_become_hours_after_a_month(day):
    before = sums(day.ledger)
    roll_up(day.ledger, LONG_AFTER)
    roll_up(day.ledger, MONTHS_AFTER)
    assert sums(day.ledger) == before
    assert set(steps(day.ledger)) == {3600}


def test_its_emptied_table_goes(day):
    roll_up(day.ledger, LONG_AFTER)
    drop_old(day.ledger)
    assert millis(DAY) // DAY_MS not in partitions.attached(day.ledger, PANE_10S)
    assert millis(DAY) // PANE_5M.span_ms in partitions.attached(day.ledger, PANE_5M)


def test_what_the_judge_may_still_write_again_stays(day):
    before = steps(day.ledger)
    assert roll_up(day.ledger, millis(DAY + timedelta(days=2))) == 0
    assert steps(day.ledger) == before


def test_a_second_time_changes_nothing(day):
    roll_up(day.ledger, LONG_AFTER)
    before = read(day.ledger, "SELECT * FROM tocsin_ledger.pane ORDER BY 1, 2, 3, 4, 5")
    assert roll_up(day.ledger, LONG_AFTER) == 0
    assert read(day.ledger, "SELECT * FROM tocsin_ledger.pane ORDER BY 1, 2, 3, 4, 5") == before


def test_what_comes_days_late_joins_its_row_once_it_is_as_old_by_its_coming(day):
    roll_up(day.ledger, LONG_AFTER)
    came = DAY + timedelta(days=3)
    day.add(
        "pane",
        stream_id=1,
        signal=1,
        slice_id=0,
        pane_start=DAY + 5 * PANE,
        evidence_start=came,
        n=4,
        buckets=[1],
        counts=[4],
    )
    before, (rolled,) = sums(day.ledger), read(day.ledger, "SELECT count(*) FROM tocsin_ledger.pane_5m")
    roll_up(day.ledger, millis(came) + DAY_MS)
    assert steps(day.ledger)[10] == 1
    assert roll_up(day.ledger, millis(came) + 4 * DAY_MS) > 0
    assert sums(day.ledger) == before
    assert set(steps(day.ledger)) == {300}
    assert read(day.ledger, "SELECT count(*) FROM tocsin_ledger.pane_5m")[0][0] - rolled[0] in (0, 1)


def test_users_stay_the_smallest_hashes(ledger):
    rows, rng = Rows(ledger), np.random.default_rng(3)
    hashes = rng.choice(2**32, 700, replace=False) - 2**31
    for i in range(7):
        part = np.sort(hashes[i * 100 : (i + 1) * 100]).tolist()
        values = {"stream_id": 1, "signal": ALL_USERS, "slice_id": 0, "n": 100, "buckets": part}
        at = DAY + i * PANE
        ensure_pane_days(ledger, [millis(DAY) // DAY_MS])
        rows.add("pane", pane_start=at, evidence_start=at, counts=[1] * 100, **values)
    asked = "SELECT users FROM tocsin.distinct_users('chat-eu', '2026-11-14Z', '2026-11-15Z')"
    before = read(ledger, asked)
    roll_up(ledger, LONG_AFTER)
    assert read(ledger, asked) == before
    assert read(ledger, "SELECT buckets FROM tocsin_ledger.pane") == [(np.sort(hashes)[:256].tolist(),)]


def test_it_stops_in_time_and_goes_on_where_it_stopped(day):
    before = sums(day.ledger)
    assert roll_up(day.ledger, LONG_AFTER, for_s=0) == 0
    assert roll_up(day.ledger, LONG_AFTER) > 0
    assert sums(day.ledger) == before


def test_only_one_replica_does_it_at_a_time(day):
    with alone(day.ledger, ROLL_LOCK) as mine:
        assert mine
        assert roll_up(day.ledger, LONG_AFTER) == 0
    assert roll_up(day.ledger, LONG_AFTER) > 0


def test_a_reader_sees_every_record_once_at_any_time(day, ledger_url):
    asked = "SELECT sum(n) FROM tocsin_ledger.pane"
    expected, stop, reader = read(day.ledger, asked), Event(), connect(ledger_url)
    partitions.ensure(day.ledger, PANE_5M, [millis(DAY) // PANE_5M.span_ms])

    def look() -> list[list[tuple[object, ...]]]:
        seen = []
        while not stop.is_set():
            seen.append(read(reader, asked))
        return seen

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        roll_up(day.ledger, LONG_AFTER)
        stop.set()
        seen = looking.result()
    reader.dispose()
    assert len(seen) > 3
    assert all(each == expected for each in seen)
