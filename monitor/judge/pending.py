"""`for`: an incident waits until its condition has held for long enough; one that does not is never known.

As in Prometheus: true at 1m with `for: 3m` opens at 4m, and a moment in which it is not true begins it anew.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from monitor.config.hours import began
from monitor.config.rule import Rule
from monitor.judge.evidence import Alarm
from monitor.judge.parts import part, slice_of, stream_of
from monitor.judge.reference import Key, Reference
from monitor.judge.verdicts import Decision, Open, Verdict

if TYPE_CHECKING:
    from monitor.judge.state import IncidentKey, JudgeState


@dataclass(frozen=True, slots=True)
class Pending:
    """An incident that waits since `since_ms`, in event time, with its newest evidence."""

    since_ms: int
    alarm: Alarm | None
    signal: str | None
    rule: str
    code: int | None = None


def held(
    state: "JudgeState", decisions: Iterable[Decision], rules: Mapping[str, Rule], codes: Mapping[str, int]
) -> "tuple[JudgeState, list[Decision]]":
    """`decisions` without those about incidents that wait; `rules` and `codes` of signals are by watch."""
    waiting, out = dict(state.pending), []
    for decision in decisions:
        if not isinstance(decision, Verdict) or not _waits(decision, rules, waiting):
            out.append(decision)
            continue
        key = (decision.watch, part(decision.stream, decision.slice_id))
        if decision.what in ("resolved", "expired"):
            waiting.pop(key, None)
        elif key in waiting:
            waiting[key] = replace(waiting[key], alarm=decision.alarm or waiting[key].alarm)
        else:
            waiting[key] = Pending(
                since_ms=decision.detected_ms,
                alarm=decision.alarm,
                signal=decision.signal,
                rule=decision.rule,
                code=codes.get(decision.watch),
            )
    return replace(state, pending=waiting), out


def _waits(verdict: Verdict, rules: Mapping[str, Rule], waiting: "Mapping[IncidentKey, Pending]") -> bool:
    rule = rules.get(verdict.watch)
    if rule is None or not rule.for_ms:
        return False
    return verdict.what == "opened" or (verdict.watch, part(verdict.stream, verdict.slice_id)) in waiting


def over(
    state: "JudgeState", end_ms: int, rules: Mapping[str, Rule], watches: Collection[str]
) -> "tuple[JudgeState, list[Decision]]":
    """Open what has waited for long enough, of `watches`; what fires no more waits no more."""
    waiting = {key: p for key, p in state.pending.items() if key in state.incidents and key[0] in rules}
    due = [k for k, p in waiting.items() if k[0] in watches and _due(p, rules[k[0]], end_ms)]
    opened: list[Decision] = [_opened(k, waiting.pop(k), state.incidents[k], end_ms, state) for k in due]
    return replace(state, pending=waiting), opened


def _due(found: Pending, rule: Rule, end_ms: int) -> bool:
    """Whether it has waited for long enough; outside of its hours nothing is due, and with them a wait begins anew."""
    opened_ms = 0 if rule.during is None else began(rule.during, end_ms - 1)
    return opened_ms is not None and end_ms - max(found.since_ms, opened_ms) >= rule.for_ms


def _opened(key: "IncidentKey", found: Pending, now: Open, end_ms: int, state: "JudgeState") -> Verdict:
    return Verdict(
        what="opened",
        rule=found.rule,
        signal=found.signal,
        stream=stream_of(key[1]),
        severity=now.severity,
        onset_ms=now.onset_ms,
        detected_ms=end_ms,
        watch=key[0],
        alarm=found.alarm,
        reference=_reference(state.references, stream_of(key[1]), found.code),
        slice_id=slice_of(key[1]),
    )


def _reference(references: Mapping[Key, Reference], stream: int, code: int | None) -> Reference | None:
    return None if code is None else references.get((stream, code))


def broken(state: "JudgeState", watch: str, seen: Collection[int], rule: Rule, end_ms: int) -> "JudgeState":
    """Forget what waits on the window `watch` where nothing is `seen` of it: no data does not hold a condition."""
    mine = [k for k in state.pending if k[0] == watch and k in state.incidents] if rule.for_ms else []
    oldest_ms = end_ms - (rule.window_ms or 0)
    gone = [k for k in mine if k[1] not in seen or state.incidents[k].quiet_ms < oldest_ms]
    if not gone:
        return state
    return replace(
        state,
        pending={k: v for k, v in state.pending.items() if k not in gone},
        incidents={k: v for k, v in state.incidents.items() if k not in gone},
    )
