"""From a verdict to the facts of its incident: how much, since when, against what, and which version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from detectors.buckets import quantile
from monitor.config.rule import Bound, Limit, Rule, RuleKind, labelled
from monitor.config.templates import fields, filled, filled_address
from monitor.judge.attribution import Attribution, Counts, Question, attribute
from monitor.judge.coverage import coverage
from monitor.judge.evidence import NEW, Alarm
from monitor.judge.failed_users import failed_users
from monitor.judge.history import History, VersionSeen
from monitor.judge.objective import ObjectiveWatch
from monitor.judge.plan import Plan, TotalWatch, TrafficWatch, Watch, WindowWatch, key_of
from monitor.judge.reference import Reference
from monitor.judge.traffic import STRETCH_MS
from monitor.judge.verdicts import Verdict
from monitor.judge.window import share
from monitor.ledger.facts import Budget, FactKind, Facts
from monitor.records.delta import PANE_MS
from monitor.records.settings import NO_VALUE
from monitor.records.signals import FIRST_CATEGORY, UNKNOWN_CATEGORY, WHOLE, Kind, Side, Signal

LONGEST_LINK: Final = 1_000
VERSION_BEFORE_MS: Final = 3_600_000
VERSION_AFTER_MS: Final = 2 * PANE_MS
VERSION_GONE_MS: Final = 300_000
UNCHANGED: Final = 1.1


@dataclass(frozen=True, slots=True)
class Described:
    """The facts of an incident, and the field and value that the change came with."""

    facts: Facts
    cause: tuple[str, str] | None


Watched = Watch | WindowWatch | TrafficWatch | TotalWatch | ObjectiveWatch


def rules_by_watch(plan: Plan) -> dict[str, Watched | Rule]:
    """What each key of a verdict's `watch` stands for."""
    by_key: dict[str, Watched | Rule] = {key_of(r): r for r in plan.absent}
    by_key.update({w.key: w for w in plan.totals})
    by_key.update({w.key: w for w in plan.objectives})
    by_key.update({w.key: w for w in plan.traffic})
    by_key.update({w.key: w for w in plan.windows})
    by_key.update({w.key: w for w in plan.watches})
    return by_key


def describe(verdict: Verdict, plan: Plan, history: History, *, historical: bool) -> Described:
    """The facts of the verdict's incident as they stand at its `detected_ms`."""
    what = rules_by_watch(plan)[verdict.watch]
    rule = what if isinstance(what, Rule) else what.rule
    facts = _frame(verdict, rule, plan, history, historical)
    if isinstance(what, Rule) or verdict.alarm is None:
        silence = float(verdict.detected_ms - verdict.onset_ms)
        return Described(_replaced(facts, observed=silence, unit="ms"), None)
    if isinstance(what, TrafficWatch):
        return Described(_compared(facts, verdict.alarm, what), None)
    if isinstance(what, TotalWatch):
        return Described(_added_up(facts, verdict.alarm, what), None)
    if isinstance(what, ObjectiveWatch):
        return Described(_burnt(facts, verdict.alarm, what), None)
    return _measured(facts, verdict, verdict.alarm, what, history)


def _burnt(facts: Facts, alarm: Alarm, what: ObjectiveWatch) -> Facts:
    """The share of bad records in the long window of the burn rate that alarmed."""
    objective, rate = what.objective, what.rates[alarm.tier]
    left = 1.0 if alarm.budget_left is None else alarm.budget_left
    return _replaced(
        facts,
        kind="objective",
        quantity="rate",
        unit=what.signal.unit,
        observed=alarm.k / alarm.n if alarm.n else None,
        limit=alarm.m,
        tolerance=f"{rate.factor:.3g}x in {rate.windows}",
        window_ms=rate.long_ms,
        affected=int(alarm.k),
        total=int(alarm.n),
        budget=Budget(target=objective.target, over_ms=objective.over_ms, left=left, below=objective.below),
    )


def _added_up(facts: Facts, alarm: Alarm, what: TotalWatch) -> Facts:
    """The sum over the rule's time."""
    side, limit = _crossed_limit(alarm, what.bounds)
    return _replaced(
        facts,
        kind="total",
        quantity="total",
        side=str(side),
        unit=what.signal.unit if what.signal.kind is Kind.DISTRIBUTION else None,
        observed=alarm.k,
        tolerance=limit.text,
        window_ms=what.total_ms,
    )


def _crossed_limit(alarm: Alarm, bounds: Sequence[Bound]) -> tuple[Side, Limit]:
    return next((b.side, limit) for b in bounds for _, limit in b.tiers if limit.value == alarm.m)


def _compared(facts: Facts, alarm: Alarm, what: TrafficWatch) -> Facts:
    """Ten minutes of requests, and what they were a week before."""
    side, limit = _crossed_limit(alarm, what.bounds)
    return _replaced(
        facts,
        kind="traffic",
        quantity="count",
        side=str(side),
        unit="requests",
        observed=alarm.k,
        reference=alarm.n,
        tolerance=limit.text,
        window_ms=STRETCH_MS,
    )


def _frame(verdict: Verdict, rule: Rule, plan: Plan, history: History, historical: bool) -> Facts:
    part = _part(verdict, history)
    kinds: Mapping[RuleKind, FactKind] = {RuleKind.ABSENT: "absent"}
    kind: FactKind = kinds.get(rule.kind, "window" if rule.window_ms else "rate")
    labels = {**labelled(history.labels(verdict.stream), plan.namings), **dict([part] if part else [])}
    words = _words(verdict, rule, plan, history.stream_key(verdict.stream)) | labels
    traces = tuple(history.traces(verdict.stream, verdict.onset_ms, verdict.detected_ms))[:3]
    return Facts(
        env=plan.name,
        rule=rule.name,
        severity=str(verdict.severity),
        stream=history.stream_key(verdict.stream),
        labels=labels,
        kind=kind,
        onset_ms=verdict.onset_ms,
        detected_ms=verdict.detected_ms,
        signal=verdict.signal,
        window_ms=rule.window_ms,
        guaranteed=False,
        kill_switch=_switch(rule, plan, labels),
        historical=historical,
        runbook=None if rule.runbook is None else filled_address(rule.runbook, words),
        title=None if rule.title is None else filled(rule.title, words),
        part=part,
        traces=traces,
        links=_links(plan, words, traces),
    )


def _switch(rule: Rule, plan: Plan, labels: Mapping[str, str]) -> str | None:
    """The switch that the rule can pull; None where its name has labels that stand for none on this stream."""
    if rule.kill is None or not fields(rule.kill):
        return rule.kill
    name = filled(rule.kill, labels)
    return name if any(name in kill.switches for kill in plan.kills) else None


def _words(verdict: Verdict, rule: Rule, plan: Plan, stream: str) -> dict[str, str]:
    """What `{...}` in titles and addresses stands for, beside labels."""
    return {
        "name": plan.name,
        "rule": rule.name,
        "signal": verdict.signal or "",
        "stream": stream,
        "severity": str(verdict.severity),
        "onset_ms": str(verdict.onset_ms),
        "detected_ms": str(verdict.detected_ms),
    }


def _links(plan: Plan, words: Mapping[str, str], traces: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The links of alerts.yaml with their labels; that of `trace` once for each example."""
    found = []
    for name, to in plan.links:
        if name != "trace":
            found.append((name.capitalize(), filled_address(to, words)))
        for i, trace in enumerate(traces if name == "trace" else (), start=1):
            found.append((f"Trace {i}", filled_address(to, {**words, "trace_id": trace})))
    return tuple((name, to) for name, to in found if len(to) <= LONGEST_LINK)


def _part(verdict: Verdict, history: History) -> tuple[str, str] | None:
    """The field and value of the slice that is judged by itself."""
    if verdict.slice_id == WHOLE:
        return None
    known = {s.slice_id: (s.field, s.value) for s in history.slices(verdict.stream)}
    return known.get(verdict.slice_id, ("slice", str(verdict.slice_id)))


def _replaced(facts: Facts, **changes: object) -> Facts:
    values = {name: getattr(facts, name) for name in facts.__struct_fields__}
    return Facts(**{**values, **changes})


def _measured(
    facts: Facts, verdict: Verdict, alarm: Alarm, what: Watch | WindowWatch, history: History
) -> Described:
    signal, window = what.signal, _window_of(verdict)
    counts = history.counts(verdict.stream, signal.code, verdict.slice_id, *window)
    reference = verdict.reference
    before = (reference.buckets, reference.counts) if reference else None
    bucket = _category(alarm, counts, before) if signal.kind is Kind.CATEGORY else None
    quantity = _quantity(alarm, signal, bucket, verdict.stream, history)
    affected, total = _affected(alarm, bucket, counts)
    came = Attribution()
    if facts.part is None:
        usual = _affected_share(alarm, bucket, before)
        came = attribute(
            history,
            Question(
                verdict.stream,
                signal.code,
                *window,
                affected=lambda of_slice: _affected(alarm, bucket, of_slice),
                observed=lambda of_slice: _value(of_slice, quantity, bucket, signal),
                usual=usual,
            ),
        )
    newest = version_of(history.versions(verdict.stream), *window, came.cause)
    facts = _replaced(
        facts,
        kind=facts.kind if facts.kind == "window" else str(signal.kind),
        quantity=quantity,
        side=_side(alarm, what, bucket),
        unit=signal.unit,
        observed=_value(counts, quantity, bucket, signal),
        reference=_value(before, quantity, bucket, signal) if before else None,
        at_least=_at_least(alarm, signal, quantity, bucket),
        limit=_share_limit(what, alarm),
        tolerance=_tolerance(what, alarm),
        affected=affected,
        total=total,
        guaranteed=alarm.guaranteed and not (reference is not None and reference.provisional),
        provisional=reference is not None and reference.provisional,
        median_unchanged=_median_unchanged(alarm, quantity, counts, before, signal),
        version=newest.version if newest else None,
        version_seen_ms=newest.first_ms if newest else None,
        slices=came.slices,
        coverage=None if facts.part else coverage(history, verdict.stream, signal, window, reference),
        **failed_users(history, verdict, signal, window),
        **_reference_facts(reference),
    )
    if alarm.found_by:
        facts = _replaced(
            facts, at_least=None, tolerance=None, affected=None, total=None, found_by=alarm.found_by
        )
    if isinstance(what, WindowWatch) and signal.scale is None and alarm.n:
        # Panes are longer than the window: in them the rate may be below the limit that was crossed.
        k, n = round(alarm.k), round(alarm.n)
        facts = _replaced(facts, observed=k / n, affected=k, total=n)
    return Described(facts, facts.part or came.cause)


def _window_of(verdict: Verdict) -> tuple[int, int]:
    """From the onset to the detection, at least the last pane."""
    return min(verdict.onset_ms, verdict.detected_ms - PANE_MS), verdict.detected_ms


def _reference_facts(reference: Reference | None) -> dict[str, object]:
    if reference is None:
        return {}
    return {
        "reference_id": reference.reference_id,
        "reference_n": reference.n,
        "reference_from_ms": reference.from_ms,
        "reference_until_ms": reference.until_ms,
        "reference_hours": reference.hours,
    }


def _quantity(alarm: Alarm, signal: Signal, bucket: int | None, stream: int, history: History) -> str:
    if bucket is None:
        return alarm.quantity
    name = "unknown" if bucket == UNKNOWN_CATEGORY else history.category(stream, signal.code, bucket)
    return f"share:{name}"


def _category(alarm: Alarm, counts: Counts, before: Counts | None) -> int:
    """The category that the incident is about: the one that alarmed, else the one that grew most."""
    if alarm.quantity == f"share:{UNKNOWN_CATEGORY}":
        return UNKNOWN_CATEGORY
    if alarm.quantity != NEW and not alarm.negate:
        return alarm.low
    known = before[0] if before and alarm.quantity == NEW else np.empty(0, np.int64)
    grown = {
        int(b): _share(counts, int(b)) - _share(before, int(b))
        for b in counts[0]
        if b > UNKNOWN_CATEGORY and b not in known
    }
    return max(grown, key=lambda b: grown[b], default=FIRST_CATEGORY)


def _share(counts: Counts | None, bucket: int) -> float:
    """A category's share: of the known ones, or of all for `unknown`."""
    if counts is None:
        return 0.0
    buckets, many = counts
    n = int(many.sum() if bucket == UNKNOWN_CATEGORY else many[buckets > UNKNOWN_CATEGORY].sum())
    return float(many[buckets == bucket].sum() / n) if n else 0.0


def _value(counts: Counts | None, quantity: str, bucket: int | None, signal: Signal) -> float | None:
    """The observed value of a quantity in its unit; None where nothing was counted."""
    if counts is None or not counts[1].sum():
        return None
    if bucket is not None:
        return _share(counts, bucket)
    if signal.scale is None:
        return float(counts[1][counts[0] == 1].sum() / counts[1].sum())
    return quantile(counts[0], counts[1], float(quantity[1:]) / 100, signal.scale)


def _affected(alarm: Alarm, bucket: int | None, counts: Counts) -> tuple[int, int]:
    buckets, many = counts
    if bucket is not None:
        return int(many[buckets == bucket].sum()), int(many.sum())
    inside = (buckets >= alarm.low) & (buckets <= alarm.high)
    return int(many[inside != alarm.negate].sum()), int(many.sum())


def _affected_share(alarm: Alarm, bucket: int | None, before: Counts | None) -> float:
    if before is None:
        return 0.0
    affected, n = _affected(alarm, bucket, before)
    return affected / n if n else 0.0


def _side(alarm: Alarm, what: Watch | WindowWatch, bucket: int | None) -> Literal["up", "down"]:
    if alarm.side is not None:
        return "down" if alarm.side is Side.DOWN else "up"
    if bucket is not None:
        return "up"
    if isinstance(what, Watch):
        return "down" if what.tiers[alarm.tier].side is Side.DOWN else "up"
    return "down" if what.bounds[0].side is Side.DOWN else "up"


def _tolerance(what: Watch | WindowWatch, alarm: Alarm) -> str:
    if isinstance(what, Watch):
        return what.tiers[alarm.tier].text
    return next((limit.text for b in what.bounds for _, limit in b.tiers if limit.value == alarm.m), "")


def _share_limit(what: Watch | WindowWatch, alarm: Alarm) -> float:
    """The share that what is beyond the limit must not exceed; a window's limit may be a value."""
    if isinstance(what, Watch):
        return alarm.m
    return share(what, *_crossed_limit(alarm, what.bounds))


def _at_least(alarm: Alarm, signal: Signal, quantity: str, bucket: int | None) -> float | None:
    """What the alarm certifies: the share exceeds m, or the quantile is beyond the event's edge."""
    if bucket is not None:
        return None if alarm.negate or alarm.quantity == NEW else alarm.m
    if signal.scale is None:
        return alarm.m if alarm.low == 1 else 1 - alarm.m
    edge = alarm.low - 1 if alarm.low > -(2**31) else alarm.high
    return float(signal.scale.upper([edge])[0])


def _median_unchanged(
    alarm: Alarm, quantity: str, counts: Counts, before: Counts | None, signal: Signal
) -> bool:
    if signal.scale is None or before is None or quantity in ("p50", "rate") or alarm.low == -(2**31):
        return False
    now, then = _value(counts, "p50", None, signal), _value(before, "p50", None, signal)
    return now is not None and then is not None and then > 0 and 1 / UNCHANGED <= now / then <= UNCHANGED


def version_of(
    versions: Sequence[VersionSeen], onset_ms: int, until_ms: int, cause: tuple[str, str] | None
) -> VersionSeen | None:
    """The version that appeared just before the onset; what a stream began with explains nothing, nor what it left.

    One that stands out may have appeared later: an onset is where a block begins, and that is up to 20 minutes long.
    """
    began = versions[0].first_ms if versions else 0
    used = [v for v in versions if v.version != NO_VALUE and onset_ms - v.last_ms <= VERSION_GONE_MS]
    later = [v for v in used if v.first_ms - began > VERSION_AFTER_MS]
    recent = [v for v in later if onset_ms - v.first_ms <= VERSION_BEFORE_MS]
    near = [v for v in recent if v.first_ms - onset_ms <= VERSION_AFTER_MS]
    out = [v for v in recent if ("version", v.version) == cause and v.first_ms < until_ms]
    named = out or near
    return named[-1] if named else None
