"""`tocsin backtest`."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

import click
import numpy as np
from sqlalchemy import Connection, select, text

from monitor.cli import found
from monitor.cli.found import Found
from monitor.cli.options import config_option, ledger, loaded
from monitor.cli.reference import MOMENT
from monitor.config import LEDGER
from monitor.config.model import Config
from monitor.errors import UsageError
from monitor.judge import core
from monitor.judge.block import Counts, PaneBlock
from monitor.judge.ledger_history import LedgerHistory
from monitor.judge.memory import patience
from monitor.judge.plan import Plan, compile_plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Verdict
from monitor.ledger.models import stream
from monitor.ledger.moments import millis
from monitor.records.delta import PANE_MS

_ROWS: Final = text("""
    SELECT p.evidence_start, p.signal, p.stream_id, b.bucket, sum(b.count)::bigint AS count
    FROM tocsin_ledger.pane p, unnest(p.buckets, p.counts) AS b(bucket, count)
    WHERE p.slice_id = 0 AND p.evidence_start >= :since AND p.evidence_start < :until
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
""")
_SPAN: Final = text(
    "SELECT min(evidence_start), max(evidence_start) FROM tocsin_ledger.pane WHERE slice_id = 0"
)


@click.command()
@click.option("--since", type=MOMENT, help="From here, in UTC (default: the first pane that is kept).")
@click.option("--until", type=MOMENT, help="To here, in UTC (default: the last one).")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each incident.")
@config_option
def backtest(since: datetime | None, until: datetime | None, as_json: bool, path: str | None) -> None:
    """Judge the stored panes again by the rules in alerts.yaml as they are now: what would have fired.

    From the first pane on it comes to the verdicts of `run`, while 10 s panes are kept. Plain windows and kills rest
    on seconds, which are not kept, and are left out; so are references that people gave.
    """
    settings = loaded(path, LEDGER)
    with ledger(settings) as conn:
        outcome, panes = _judged(conn, settings, _utc(since), _utc(until))
        lines = [found.as_json(i) if as_json else found.as_text(i) for i in outcome.incidents]
    for line in lines:
        click.echo(line)
    click.echo(f"{panes:,} panes judged, {len(lines)} incidents", err=True)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment else None


def _judged(
    conn: Connection, settings: Config, since: datetime | None, until: datetime | None
) -> tuple[Found, int]:
    first, last = conn.execute(_SPAN).one()
    if first is None or last is None:
        raise UsageError("no pane is stored yet: `tocsin status` says how far the daemon has come")
    plan, state, panes = compile_plan(settings), JudgeState(), 0
    outcome = Found(plan, LedgerHistory(conn))
    labels = {row.stream_id: row.labels for row in conn.execute(select(stream.c.stream_id, stream.c.labels))}
    for block in _blocks(conn, plan, labels, max(since or first, first), min(until or last, last)):
        state, decisions = core.pane_step(state, block, plan)
        panes += 1
        for verdict in decisions:
            if isinstance(verdict, Verdict):
                outcome.add(verdict)
    return outcome, panes


def _blocks(
    conn: Connection, plan: Plan, labels: Mapping[int, Any], since: datetime, until: datetime
) -> Iterator[PaneBlock]:
    """Closed panes in order, with the empty ones between them that the judge looks at too."""
    rows = conn.execution_options(yield_per=5_000).execute(_ROWS, {"since": since, "until": until})
    following: int | None = None
    for start, of_pane in groupby(rows, key=lambda row: row.evidence_start):
        pane = millis(start) // PANE_MS
        if following is not None:
            for empty in range(following, min(pane, following + patience(plan) + 1)):
                yield PaneBlock(empty, {}, labels)
        yield PaneBlock(pane, _counts(list(of_pane)), labels)
        following = pane + 1


def _counts(rows: list[Any]) -> dict[int, Counts]:
    return {
        signal: Counts(*np.array([(r.stream_id, r.bucket, r.count) for r in of_signal], np.int64).T)
        for signal, of_signal in groupby(rows, key=lambda row: row.signal)
    }
