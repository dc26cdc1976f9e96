"""From a verdict to the facts of its incident: how much, since when, against what, and which version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.config.rule import Rule, RuleKind, labelled
from monitor.config.templates import INCIDENT, TRACE, fields, filled, filled_address
from monitor.judge import figures
from monitor.judge.attribution import Attribution, Counts, Question, attribute, version_of
from monitor.judge.coverage import coverage
from monitor.judge.evidence import Alarm
from monitor.judge.failed_users import failed_users
from monitor.judge.history import History
from monitor.judge.objective import ObjectiveWatch
from monitor.judge.plan import Plan, TotalWatch, TrafficWatch, Watch, WindowWatch, key_of
from monitor.judge.reference import Reference
from monitor.judge.traffic import STRETCH_MS
from monitor.judge.verdicts import Verdict
from monitor.ledger.facts import Budget, FactKind, Facts
from monitor.records.delta import PANE_MS
from monitor.records.signals import WHOLE, Kind, Signal

LONGEST_LINK: Final = 1_000


@dataclass(frozen=True, slots=True)
class Described:
    """The facts of an incident, and the field and value that the change came with."""

    facts: Facts
    cause: tuple[str, str] | None


@dataclass(frozen=True, slots=True)
class _Counted:
    """What was counted since the onset and in the reference, and the quantity of it that the incident is about."""

    counts: Counts
    before: Counts | None
    bucket: int | None
    quantity: str


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
    side, limit = figures.crossed_limit(alarm, what.bounds)
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


def _compared(facts: Facts, alarm: Alarm, what: TrafficWatch) -> Facts:
    """Ten minutes of requests, and what they were a week before."""
    side, limit = figures.crossed_limit(alarm, what.bounds)
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
            found.append((name.capitalize(), filled_address(to, words, INCIDENT)))
        for i, trace in enumerate(traces if name == "trace" else (), start=1):
            found.append((f"Trace {i}", filled_address(to, {**words, TRACE: trace}, INCIDENT)))
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
    """The quantity that alarmed, since the onset and in the reference, and what the change came with."""
    signal, window = what.signal, _window_of(verdict)
    counted = _counted(verdict, alarm, signal, history)
    came = Attribution()
    if facts.part is None:
        came = attribute(history, _question(verdict, alarm, signal, counted))
    newest = version_of(history.versions(verdict.stream), *window, came.cause)
    facts = _replaced(
        facts,
        kind=facts.kind if facts.kind == "window" else str(signal.kind),
        version=newest.version if newest else None,
        version_seen_ms=newest.first_ms if newest else None,
        slices=came.slices,
        coverage=None if facts.part else coverage(history, verdict.stream, signal, window, verdict.reference),
        **_figures(alarm, what, counted),
        **failed_users(history, verdict, signal, window),
        **_reference_facts(alarm, verdict.reference),
    )
    return Described(_as_found(facts, alarm, what), facts.part or came.cause)


def _counted(verdict: Verdict, alarm: Alarm, signal: Signal, history: History) -> _Counted:
    counts = history.counts(verdict.stream, signal.code, verdict.slice_id, *_window_of(verdict))
    reference = verdict.reference
    before = (reference.buckets, reference.counts) if reference else None
    bucket = figures.category_of(alarm, counts, before) if signal.kind is Kind.CATEGORY else None
    quantity = figures.quantity_of(alarm, signal, bucket, verdict.stream, history)
    return _Counted(counts, before, bucket, quantity)


def _question(verdict: Verdict, alarm: Alarm, signal: Signal, counted: _Counted) -> Question:
    bucket, quantity = counted.bucket, counted.quantity
    return Question(
        verdict.stream,
        signal.code,
        *_window_of(verdict),
        affected=lambda of_slice: figures.affected_of(alarm, bucket, of_slice),
        observed=lambda of_slice: figures.value_of(of_slice, quantity, bucket, signal),
        usual=figures.affected_share(alarm, bucket, counted.before),
    )


def _figures(alarm: Alarm, what: Watch | WindowWatch, counted: _Counted) -> dict[str, object]:
    """The fields of `Facts` on the quantity: where it is and was, its limit, and the records beyond that."""
    signal, counts, before = what.signal, counted.counts, counted.before
    bucket, quantity = counted.bucket, counted.quantity
    affected, total = figures.affected_of(alarm, bucket, counts)
    return {
        "quantity": quantity,
        "side": figures.side_of(alarm, what, bucket),
        "unit": signal.unit,
        "observed": figures.value_of(counts, quantity, bucket, signal),
        "reference": figures.value_of(before, quantity, bucket, signal) if before else None,
        "at_least": figures.at_least(alarm, signal, quantity, bucket),
        "limit": figures.share_limit(what, alarm),
        "tolerance": figures.tolerance_text(what, alarm),
        "affected": affected,
        "total": total,
        "median_unchanged": figures.median_unchanged(alarm, quantity, counts, before, signal),
    }


def _as_found(facts: Facts, alarm: Alarm, what: Watch | WindowWatch) -> Facts:
    """Without the limits that river's detectors do not have, and with a plain threshold's own count."""
    if alarm.found_by:
        facts = _replaced(
            facts, at_least=None, tolerance=None, affected=None, total=None, found_by=alarm.found_by
        )
    if isinstance(what, WindowWatch) and what.signal.scale is None and alarm.n:
        # Panes are longer than the window: in them the rate may be below the limit that was crossed.
        k, n = round(alarm.k), round(alarm.n)
        facts = _replaced(facts, observed=k / n, affected=k, total=n)
    return facts


def _window_of(verdict: Verdict) -> tuple[int, int]:
    """From the onset to the detection, at least the last pane."""
    return min(verdict.onset_ms, verdict.detected_ms - PANE_MS), verdict.detected_ms


def _reference_facts(alarm: Alarm, reference: Reference | None) -> dict[str, object]:
    """The fields of `Facts` on the reference, and whether the promise holds against it."""
    if reference is None:
        return {"guaranteed": alarm.guaranteed, "provisional": False}
    return {
        "guaranteed": alarm.guaranteed and not reference.provisional,
        "provisional": reference.provisional,
        "reference_id": reference.reference_id,
        "reference_n": reference.n,
        "reference_from_ms": reference.from_ms,
        "reference_until_ms": reference.until_ms,
        "reference_hours": reference.hours,
    }
