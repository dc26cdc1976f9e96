"""`tocsin backtest`."""

from datetime import UTC, datetime

import click
from sqlalchemy import Connection, text

from monitor.cli import found, past
from monitor.cli.found import Found
from monitor.cli.options import config_option, ledger, loaded
from monitor.cli.past import Stretch
from monitor.cli.printed import say
from monitor.cli.reference import MOMENT
from monitor.config import LEDGER
from monitor.config.model import Config
from monitor.config.problem import listed
from monitor.errors import UsageError
from monitor.judge.compiling import compile_plan
from monitor.judge.ledger_history import LedgerHistory
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.judge.verdicts import Verdict
from monitor.ledger.moments import millis, moment
from monitor.ledger.wording import number
from monitor.records.delta import PANE_MS


@click.command()
@click.option("--since", type=MOMENT, help="From here, in UTC (default: the first pane that is kept).")
@click.option(
    "--until", type=MOMENT, help="To here, in UTC (default: the last one that the daemon has judged)."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each incident.")
@config_option
def backtest(since: datetime | None, until: datetime | None, as_json: bool, path: str | None) -> None:
    """Judge the stored panes again by the rules in alerts.yaml as they are now: what would have fired.

    From a stream's first pane on it comes to the verdicts of `run`, while 10 s panes are kept; references that people
    gave come in when they were taken up. From later on it begins with the references that held then. Plain windows
    and kills rest on single seconds, which are not kept: it says which rules it leaves out.
    """
    settings = loaded(path, LEDGER)
    with ledger(settings, reading=True) as conn:
        stretch = _stretch(conn, _utc(since), _utc(until))
        plan = compile_plan(settings)
        state = past.held_at(conn, plan, stretch.first)
        outcome, panes = Found(plan, LedgerHistory(conn)), 0
        for _, _, decisions in past.judged(conn, plan, stretch, state):
            panes += 1
            for verdict in decisions:
                if isinstance(verdict, Verdict):
                    outcome.add(verdict)
        lines = [found.as_json(i) if as_json else found.as_text(i) for i in outcome.incidents]
        notes = [*_began(state, stretch), *_left_out(settings, plan), *_paused(conn, stretch)]
    for line in lines:
        say(line)
    say(f"{number(panes, 'pane')} judged, {number(len(lines), 'incident')}", err=True)
    for note in notes:
        say(note, err=True)


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at else None


def _stretch(conn: Connection, since: datetime | None, until: datetime | None) -> Stretch:
    """The panes asked for, of those that are kept; raises UsageError where there is none."""
    kept = past.kept(conn)
    if kept is None:
        raise UsageError("no pane is stored yet: `tocsin status` says how far the daemon has come")
    first = max(kept.first, millis(since) // PANE_MS) if since else kept.first
    end = min(kept.end, -(-millis(until) // PANE_MS)) if until else kept.end
    if first >= end:
        span = f"{moment(kept.first * PANE_MS):%Y-%m-%d %H:%M:%S} to {moment(kept.end * PANE_MS):%Y-%m-%d %H:%M:%S}"
        raise UsageError(f"no pane is kept from then to then: there are panes from {span} UTC")
    return Stretch(first, end)


def _began(state: JudgeState, stretch: Stretch) -> list[str]:
    """What it began with, where that is not nothing."""
    if not state.references:
        return []
    ids = sorted(r.reference_id for r in state.references.values())
    provisional = sum(r.provisional for r in state.references.values())
    learning = f", {provisional} of them provisional, learning on from here" if provisional else ""
    which = f"#{ids[0]}" if len(ids) == 1 else f"#{ids[0]} to #{ids[-1]}"
    return [
        f"began at {moment(stretch.first * PANE_MS):%Y-%m-%d %H:%M:%S} UTC with {number(len(ids), 'reference')} that "
        f"held then ({which}){learning}; evidence, totals and incidents begin afresh"
    ]


def _left_out(settings: Config, plan: Plan) -> list[str]:
    """Rules that rest on what is not kept."""
    windows = list(dict.fromkeys(w.rule.name for w in plan.windows))
    kills = list(dict.fromkeys(f"{k.rule.name} ({k.switch})" for k in plan.kills))
    found = []
    if windows:
        found.append(
            f"not judged: {listed(windows)}: a plain window rests on single seconds, which are not kept"
        )
    if kills:
        found.append(
            f"judged without their kills: {listed(kills)}: kills rest on single seconds, which are not kept"
        )
    return found


_TRIPS = text("""
    SELECT count(*) FROM tocsin_ledger.kill_event
    WHERE action = 'tripped' AND at >= :since AND at < :until
""")


def _paused(conn: Connection, stretch: Stretch) -> list[str]:
    """While a switch was tripped `run` paused the rules of its streams."""
    span = {"since": moment(stretch.first * PANE_MS), "until": moment(stretch.end * PANE_MS)}
    trips = conn.execute(_TRIPS, span).scalar_one()
    if not trips:
        return []
    return [
        f"kill switches were tripped {trips} times in this time: `run` paused their streams, this does not"
    ]
