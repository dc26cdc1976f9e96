"""Weeks of panes in minutes, and how large the ledger gets under roll-up and retention: `make bench-keeping`.

Writes the panes of each day straight into a ledger of its own and does at its end what the daemon does every ten
minutes. The table is on stdout, with a last line.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import click
from sqlalchemy import Engine, text

from monitor.ledger import rolling, tables
from monitor.ledger.engine import connect
from monitor.ledger.migrate import upgrade
from monitor.ledger.tables import DAY_MS
from monitor.local.postgres import local_postgres

STEPS: Final = {"pane_10s": "10 s", "pane_5m": "5 min", "pane_1h": "1 h"}

# Rates have two buckets, distributions thirty: what a few hundred requests a pane come to.
_DAY: Final = text("""
    INSERT INTO tocsin_ledger.pane
        (stream_id, signal, slice_id, pane_start, evidence_start, n, total, buckets, counts)
    SELECT s, g, 0, t, t, b.n, b.n, b.buckets, b.counts
    FROM generate_series(1, :streams) AS s
    CROSS JOIN generate_series(1, :signals) AS g
    CROSS JOIN generate_series(to_timestamp(:start), to_timestamp(:start + 86390), interval '10 s') AS t
    CROSS JOIN LATERAL (
        SELECT sum(count)::bigint AS n, array_agg(bucket ORDER BY bucket) AS buckets,
               array_agg(count ORDER BY bucket) AS counts
        FROM (SELECT i + CASE WHEN g % 2 = 0 THEN 0 ELSE extract(minute FROM t)::int % 7 END AS bucket,
                     1 + i AS count
              FROM generate_series(0, CASE WHEN g % 2 = 0 THEN 1 ELSE 29 END) AS i) AS x
    ) AS b
""")
_TOTAL: Final = text("SELECT coalesce(sum(n), 0)::bigint FROM tocsin_ledger.pane")
_SIZES: Final = text("""
    SELECT regexp_replace(relname, '_[0-9]{8}$', '') AS step, sum(pg_total_relation_size(oid)) / 1e6
    FROM pg_class WHERE relnamespace = 'tocsin_ledger'::regnamespace AND relkind = 'r' AND relname ~ '^pane_'
    GROUP BY 1
""")


@dataclass(frozen=True, slots=True)
class Day:
    """After a day's housekeeping: MB of each step, seconds that it took, and whether every count is still there."""

    number: int
    mb: dict[str, float]
    took_s: float
    whole: bool


def _days(engine: Engine, days: int, streams: int, signals: int) -> Iterator[Day]:
    first = tables.database_ms(engine) // DAY_MS - days
    asked = {"streams": streams, "signals": signals}
    written = 0
    for number in range(1, days + 1):
        day = first + number - 1
        tables.ensure_pane_days(engine, [day])
        with engine.begin() as conn:
            conn.execute(_DAY, {"start": day * 86_400, **asked})
        began, end_ms = time.monotonic(), (day + 1) * DAY_MS
        rolling.roll_up(engine, end_ms)
        tables.drop_old(engine, end_ms)
        took_s = time.monotonic() - began
        with engine.connect() as conn:
            mb = {step: float(size) for step, size in conn.execute(_SIZES)}
            total = int(conn.execute(_TOTAL).scalar_one())
        a_day = total // number if number == 1 else written // (number - 1)
        written += a_day
        yield Day(number, mb, took_s, total == written)


@click.command()
@click.option("--days", default=45, show_default=True)
@click.option("--streams", default=2, show_default=True)
@click.option("--signals", default=6, show_default=True, help="Half of them rates, half distributions.")
def main(days: int, streams: int, signals: int) -> None:
    """Let days go by, and print how large panes of each step are."""
    found = []
    with local_postgres(settings={"fsync": "off"}) as postgres:
        url = postgres.create_database("keeping")
        upgrade(url)
        engine = connect(url, name="keeping", statement_ms=600_000)
        click.echo(f"{streams} streams with {signals} signals, {streams * signals * 8640:,} panes a day")
        click.echo("day    10 s    5 min     1 h   MB    housekeeping")
        for day in _days(engine, days, streams, signals):
            found.append(day)
            sizes = "".join(f"{day.mb.get(step, 0.0):8.1f}" for step in STEPS)
            if day.number % 5 == 0 or day.number < 5:
                click.echo(f"{day.number:3d}{sizes}        {day.took_s:5.1f} s")
        engine.dispose()
    full, last = found[max(0, days - 8)], found[-1]
    click.echo(
        f"keeping: {days} days, {sum(last.mb.values()):.0f} MB, {sum(full.mb.values()):.0f} MB a week earlier, "
        f"{sum(not day.whole for day in found)} days with a wrong sum"
    )


if __name__ == "__main__":
    main()
