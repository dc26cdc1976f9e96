"""Incidents whose rule is gone, or matches their stream no more: they end as expired."""

from collections.abc import Mapping
from dataclasses import replace

from monitor.judge.memory import Memory
from monitor.judge.parts import slice_of, stream_of
from monitor.judge.plan import Plan, named_by
from monitor.judge.verdicts import Verdict


def forgotten(
    memory: Memory, plan: Plan, labels: Mapping[int, Mapping[str, str]]
) -> tuple[Memory, list[Verdict]]:
    """Forget the incidents of rules that are gone, or match their stream no more; they are to be closed as expired."""
    rules = plan.rules
    gone = [
        k
        for k in memory.core.incidents
        if k[0] not in rules or not rules[k[0]].match.accepts(labels.get(stream_of(k[1]), {}))
    ]
    kept = {k: v for k, v in memory.core.incidents.items() if k not in gone}
    verdicts = [_expired(k, memory) for k in gone]
    return replace(memory, core=replace(memory.core, incidents=kept)), verdicts


def _expired(key: tuple[str, int], memory: Memory) -> Verdict:
    watch, part = key
    rule, signal = named_by(watch)
    now = memory.core.incidents[key]
    at_ms = memory.progress.event_ms or now.changed_ms
    return Verdict(
        "expired",
        rule,
        signal,
        stream_of(part),
        now.severity,
        now.onset_ms,
        at_ms,
        watch,
        reason="rule_removed",
        slice_id=slice_of(part),
    )
