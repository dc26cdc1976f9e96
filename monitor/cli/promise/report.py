"""Everything that `check --false-alarms` says, as values."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Final

from monitor.cli.promise.foresight import Foreseen, Volume, foreseen, kills_foreseen
from monitor.cli.promise.meaning import meaning
from monitor.cli.promise.parts import MONTH_MS, KillPart, Outside, Part, kill_parts, outside, parts
from monitor.config.model import Config
from monitor.judge.compiling import compile_plan
from monitor.judge.plan import Plan, Watch
from monitor.records.delta import SLOT_MS

CHOSEN: Final = "chosen from the reference when learned"


@dataclass(frozen=True, slots=True)
class Promise:
    """The promise as written; `threshold` is A in panes, `kill_threshold` in seconds.

    `alarms` and `kills` are to be expected in 30 days, at most; with `per`, for each value of that label.
    """

    text: str
    per: str | None
    threshold: float
    alarms: float
    kill_threshold: float
    kills: float


@dataclass(frozen=True, slots=True)
class Meant:
    """What one limit of a rule means."""

    rule: str
    signal: str
    side: str
    severity: str
    limit: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Report:
    """See `made`; `block` says when the blocks in `delays` end to hold."""

    path: str
    promise: Promise
    volume: Volume
    parts: tuple[Part, ...]
    kills: tuple[KillPart, ...]
    outside: tuple[Outside, ...]
    limits: tuple[Meant, ...]
    delays: tuple[Foreseen, ...]
    kill_delays: tuple[Foreseen, ...]
    block: str = CHOSEN


def made(settings: Config, volume: Volume, only: Set[str] | None = None) -> Report:
    """The report of all rules, or of those that `only` names: they share the promise with the others all the same."""
    plan = compile_plan(settings)
    wanted = {r.name for r in settings.rules} if only is None else only
    return Report(
        path=settings.path,
        promise=_promise(settings, plan),
        volume=volume,
        parts=tuple(p for p in parts(plan) if p.rule in wanted),
        kills=tuple(p for p in kill_parts(plan) if p.rule in wanted),
        outside=tuple(o for o in outside(settings) if o.rule in wanted),
        limits=tuple(m for w in plan.watches if w.rule.name in wanted for m in _meant(w)),
        delays=tuple(f for f in foreseen(plan, volume) if f.rule in wanted),
        kill_delays=tuple(f for f in kills_foreseen(plan, volume) if f.rule in wanted),
    )


def _promise(settings: Config, plan: Plan) -> Promise:
    return Promise(
        text=settings.false_alarms.text,
        per=settings.false_alarms.per,
        threshold=plan.threshold,
        alarms=sum(p.alarms for p in parts(plan)),
        kill_threshold=plan.kill_threshold,
        kills=MONTH_MS / SLOT_MS / plan.kill_threshold,
    )


def _meant(watch: Watch) -> list[Meant]:
    return [
        Meant(
            watch.rule.name,
            watch.signal.name,
            tier.side.value,
            tier.severity.value,
            tier.text,
            meaning(watch, tier),
        )
        for tier in watch.tiers
        if not tier.wider
    ]
