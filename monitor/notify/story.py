"""When it began, after which version, where it shows, and how much it has done so far."""

from collections.abc import Mapping
from typing import Any

from monitor.ledger.facts import Facts, Slice
from monitor.ledger.headline import subject, unit_of
from monitor.ledger.languages import language
from monitor.ledger.moments import moment
from monitor.ledger.wording import amount, apart, clip, clock, duration, people, percent, span

_MOST_SLICES = 4
_COVERING = {"confidence": "Confidence", "score": "Scores", "negative_feedback": "Ratings"}


def story(facts: Facts) -> str:
    """`Began 02:51:20 UTC, 40 s after version v42 first appeared; ... Still going: 310 of 900 answers.`"""
    if facts.kind == "internal":
        return f"{_sentence(facts.detail or '')}Since {began(facts)}."
    parts = [f"Began {began(facts)}{_version(facts)}", _slices(facts)]
    began_so = "; ".join(part for part in parts if part)
    return f"{began_so}.{covered(facts)}{_so_far('Still going', facts)}{_budget(facts)}"


def lasted(facts: Facts, payload: Mapping[str, Any]) -> str:
    """`Began 02:51:20 UTC, over at 03:20:00 UTC. In all: 4,310 of 13,900 answers.`"""
    resolved = payload.get("resolved_at")
    end = f", ended {str(resolved)[:19].replace('T', ' ')} UTC" if resolved else ""
    why = " Its rule was removed from alerts.yaml." if payload.get("state") == "expired" else ""
    return f"Began {began(facts)}{end}.{why}" + _so_far("In all", facts)


def began(facts: Facts) -> str:
    """The time of day of the onset, with the date where the alarm came on another day."""
    return f"{clock(moment(facts.onset_ms), moment(facts.detected_ms))} UTC"


def records(facts: Facts) -> str:
    """What the incident's records are called: answers, requests, ratings."""
    words = subject(facts).split()
    if unit_of(facts) == "share" and len(words) > 1:
        return words[1]
    return (
        "requests"
        if facts.signal in ("latency_ms", "requests")
        else "answers"
        if _of_output(facts)
        else "records"
    )


def _of_output(facts: Facts) -> bool:
    return (facts.signal or "").startswith("output_")


def _version(facts: Facts) -> str:
    if facts.version is None or facts.version_seen_ms is None:
        return ""
    gap = facts.onset_ms - facts.version_seen_ms
    when = f"{duration(abs(gap))} {'after' if gap >= 0 else 'before'}" if gap else "as"
    return f", {when} version {clip(facts.version, 60)} first appeared"


def _slices(facts: Facts) -> str:
    shown = [_slice(facts, each) for each in facts.slices[:_MOST_SLICES]]
    return ", ".join([shown[0] + _of_language(facts), *shown[1:]]) if shown else ""


def _slice(facts: Facts, each: Slice) -> str:
    value = clip(each.value, 60)
    name = value if each.field == "version" else f"{clip(each.field, 40)} {value}"
    said = "?" if each.observed is None else amount(each.observed, unit_of(facts))
    return (
        f"{name}: {said}" if each.share is None else f"{name}: {said} ({percent(each.share)} of the excess)"
    )


def _of_language(facts: Facts) -> str:
    quantity = facts.quantity or ""
    if not quantity.startswith("share:") or not (facts.signal or "").endswith("_language"):
        return ""
    return f" {clip(language(quantity.removeprefix('share:')), 40)}"


def covered(facts: Facts) -> str:
    """` Labels for 12% of answers, was 40%.`; nothing where all answers have what the signal counts."""
    coverage = facts.coverage
    if coverage is None or (coverage.share == 1 and coverage.before in (1, None) and not coverage.withheld):
        return ""
    share, before = percent(coverage.share), ""
    if coverage.before is not None:
        share, before = apart(percent, coverage.share, coverage.before)
    said = f" {_COVERING.get(facts.signal or '', 'Labels')} for {share} of answers"
    said += f", was {before}" if before else ""
    return f"{said}; {percent(coverage.withheld)} withheld." if coverage.withheld else f"{said}."


def _so_far(lead: str, facts: Facts) -> str:
    if facts.affected is None or not facts.total:
        return ""
    return f" {lead}: {facts.affected:,} of {facts.total:,} {records(facts)}{affected_users(facts)}."


def _budget(facts: Facts) -> str:
    """` 41% of the error budget of 30 d is left.`; nothing where there is none."""
    budget = facts.budget
    if budget is None:
        return ""
    of = f"the error budget of {span(budget.over_ms)}"
    if budget.left < 0:
        return f" {of.capitalize()} is overspent by {percent(-budget.left)}."
    return f" {percent(budget.left)} of {of} is left."


def affected_users(facts: Facts) -> str:
    """`, 143 users`; nothing where it is not known."""
    return f", {people(facts.users, exact=facts.users_exact)}" if facts.users else ""


def _sentence(text: str) -> str:
    return f"{clip(text.strip(), 900).rstrip('.')}. " if text.strip() else ""
