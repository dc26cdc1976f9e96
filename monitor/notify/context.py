"""The line below the story: rule, severity, what is certain, the reference, where, examples, the switch."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from monitor.ledger.facts import Facts
from monitor.ledger.headline import gain
from monitor.ledger.moments import moment
from monitor.ledger.wording import clip, days, hours_of_week
from monitor.notify.story import records

_MOST_TRACES = 3


def context(facts: Facts, payload: Mapping[str, Any]) -> list[str]:
    """Short phrases, the most important first."""
    switch, state = payload.get("kill_switch"), payload.get("switch_state")
    parts = [
        f"Rule {clip(facts.rule, 80)} ({facts.severity})",
        _certain(facts),
        _reference(facts),
        _promise(facts),
        facts.env,
        _traces(facts),
        f"switch {switch} {'tripped' if state == 'tripped' else 'serving'}" if switch else "",
        "" if not facts.runbook or runbook_link(facts) else f"runbook {facts.runbook}",
        "found late: this is history, not now" if facts.historical else "",
    ]
    return [part for part in parts if part]


def runbook_link(facts: Facts) -> tuple[tuple[str, str], ...]:
    """The rule's runbook as a link, where it is a web address of reasonable length."""
    runbook = facts.runbook or ""
    try:
        parts = urlsplit(runbook)
    except ValueError:
        return ()
    if parts.scheme not in ("http", "https") or not parts.netloc or len(runbook) > 1_000:
        return ()
    return (("Runbook", runbook),) if runbook.isprintable() and " " not in runbook else ()


def _certain(facts: Facts) -> str:
    certain = gain(facts)
    if certain is None:
        return ""
    return f"{'at most' if facts.side == 'down' and not certain.startswith('-') else 'at least'} {certain}"


def _reference(facts: Facts) -> str:
    if facts.reference_id is None:
        return f"limit {clip(facts.tolerance, 60)}" if facts.tolerance else ""
    n = f" of {facts.reference_n:,} {records(facts)}" if facts.reference_n else ""
    if facts.reference_from_ms is None or facts.reference_until_ms is None:
        return f"reference #{facts.reference_id}{n}"
    learned = days(moment(facts.reference_from_ms), moment(facts.reference_until_ms))
    hours = f", {hours_of_week(facts.reference_hours)}" if facts.reference_hours else ""
    return f"reference #{facts.reference_id}{n}, {learned}{hours}"


def _promise(facts: Facts) -> str:
    if facts.provisional:
        return "reference still provisional"
    if facts.found_by:
        return f"still learning: seen by {' and '.join(facts.found_by)}, no guarantee"
    return "" if facts.guaranteed or facts.kind == "internal" else "outside the false-alarm promise"


def _traces(facts: Facts) -> str:
    shown = [clip(trace, 64) for trace in facts.traces[:_MOST_TRACES]]
    return f"traces {', '.join(shown)}" if shown else ""
