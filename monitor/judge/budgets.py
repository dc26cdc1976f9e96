"""What `slos` shows: the error budget of every objective and stream, written with what the judge decides."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, delete
from sqlalchemy.dialects.postgresql import insert

from monitor.judge.burning import budget_left
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.ledger.decided import slo
from monitor.records.delta import PANE_MS

BudgetKey = tuple[str, int]
"""A rule and a stream."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Good and all records over the objective's time, and what is left of the budget, see `burning.budget_left`."""

    objective: float
    good: int
    total: int
    left: float


def budgets(core: JudgeState, plan: Plan) -> dict[BudgetKey, Budget]:
    """All budgets as of the last closed pane."""
    at_ms = ((core.next_pane or 1) - 1) * PANE_MS
    found = {}
    for watch in plan.objectives:
        known = core.objectives.get(watch.key)
        for stream, burn in known.streams.items() if known and known.identity == watch.identity else ():
            bad, n = burn.counted(watch.objective.over_ms, at_ms)
            left = budget_left(watch, burn, at_ms)
            found[watch.rule.name, stream] = Budget(watch.objective.target, n - bad, n, left)
    return found


def write(
    conn: Connection, now: Mapping[BudgetKey, Budget], before: Mapping[BudgetKey, Budget] | None
) -> None:
    """Store the budgets that are not as `before`; all of them, and no others, where None is known."""
    if before is None:
        conn.execute(delete(slo))
    changed = [(key, budget) for key, budget in now.items() if before is None or before.get(key) != budget]
    if not changed:
        return
    rows = [
        {
            "rule": rule,
            "stream_id": stream,
            "objective": b.objective,
            "good": b.good,
            "total": b.total,
            "budget_left": b.left,
        }
        for (rule, stream), b in changed
    ]
    new = insert(slo)
    values = {name: new.excluded[name] for name in ("objective", "good", "total", "budget_left")}
    conn.execute(new.on_conflict_do_update(index_elements=["rule", "stream_id"], set_=values), rows)
