"""A case in plain words: what was watched, against what, what was seen, and whether the promise covers it."""

from datetime import datetime
from math import isfinite

from detectors import tolerance
from detectors.tolerance import Tolerance
from monitor.cli.explain.case import Case
from monitor.cli.explain.evidence import Recomputed
from monitor.config.problem import Report
from monitor.config.tree import Mapping, Node, Scalar, Sequence, parse
from monitor.ledger.facts import INTERNAL_STREAM
from monitor.ledger.headline import subject, unit_of
from monitor.ledger.moments import moment
from monitor.ledger.wording import amount, days, duration, hours_of_week, percent

AT_THE_EDGE = 1.02


def paragraphs(case: Case) -> list[tuple[str, str]]:
    """(heading, text) for everything that is known."""
    row = case.row
    said = [
        ("Incident", f"{row.incident_id}, {row.severity}, {row.state}: {row.summary}"),
        ("Began", _began(case)),
        ("Rule", _rule(case)),
    ]
    if row.stream != INTERNAL_STREAM:
        said += [
            ("Reference", _reference(case)),
            ("Limit", _limit(case)),
            ("Observed", _observed(case)),
            ("Promise", _promise(case)),
        ]
    if row.version or row.cause_field:
        said.append(("Came with", _cause(case)))
    return [*said, ("Outcome", _outcome(case))]


def told(found: Recomputed) -> list[str]:
    """What the recomputed evidence came to, and whether it is that of the incident."""
    trace = found.trace
    why = (
        "; ".join(found.doubts)
        or "the reason is not known: a kill, a tripped switch or a partition left out may be"
    )
    if trace is None:
        return [f"Its evidence cannot be recomputed: {why}."]
    if not found.reproduced:
        alarm = f"it alarms at {_clock(trace.detected_ms)} with an onset at {_clock(trace.onset_ms)}"
        lines = [f"The recomputed evidence does NOT come to this incident: {alarm}. Why: {why}."]
    else:
        lines = [
            "Recomputed from the stored panes, the evidence comes to this incident: same onset, same detection."
        ]
    covered = "covered by the promise" if trace.guaranteed else "outside the promise"
    lines.append(
        f"Blocks of {duration(1000 * trace.block_s)}, {covered}. Certain, at the budget of false alarms:"
    )
    lines += [
        f"  from {_clock(c.at_ms)} on  {c.severity:8}  above {percent(c.m)}  ({c.text})"
        for c in trace.certified
    ]
    return lines


def _clock(ms: int) -> str:
    return f"{moment(ms):%Y-%m-%d %H:%M:%S}"


def share_limit(case: Case) -> float | None:
    """The share that must not be exceeded (on the way down: fallen below); None where there was none.

    Of a percentile, where it was not stored: what its tolerance says, without the allowance for what the reference
    does not know.
    """
    if case.event.what in ("rate", "category"):
        return None if case.row.at_least is None else float(case.row.at_least)
    if case.event.what in ("above", "below"):
        return _beyond_edge(case) if case.stored_limit is None else case.stored_limit
    return None


def is_floor(case: Case) -> bool:
    """Whether the share must not fall below its limit."""
    return case.event.what == "rate" and case.facts.side == "down"


def _beyond_edge(case: Case) -> float:
    quantile = float((case.row.quantity or "p50")[1:]) / 100
    nominal = 1 - quantile if case.event.what == "above" else quantile
    written, usual = case.row.tolerance or "", _usual(case)
    if written.endswith("pp"):
        return min((nominal if usual is None else usual) + _allowed(case, written, "points", 0.01), 1.0)
    reference = case.row.reference
    at_edge = reference and 1 / AT_THE_EDGE < case.event.edge / reference < AT_THE_EDGE
    if written.endswith("x") and at_edge and usual is not None:
        return min(max(usual, nominal) * _allowed(case, written, "times", 1.0), 1.0)
    return nominal


def _allowed(case: Case, written: str, form: tolerance.Form, scale: float) -> float:
    """What `10pp` or `3x` allows, three times as much while the reference is provisional."""
    found = Tolerance(form, abs(float(written.rstrip("px"))) * scale)
    return (tolerance.provisional(found) if case.facts.provisional else found).amount


def _usual(case: Case) -> float | None:
    r = case.reference
    return None if r is None or not r.n else r.k / r.n


def _began(case: Case) -> str:
    row = case.row
    took = 1000 * (row.detected_at - row.onset_at).total_seconds()
    detected = f"detected {_at(row.detected_at)}, {duration(took)} later" if took else "and seen at once"
    said = f"{_at(row.onset_at)} UTC by its evidence, {detected}"
    if ended := row.ended_at or row.resolved_at:
        said += f"; {row.state} {_at(ended)}"
    return said + ("; found in a backlog, so nobody was paged" if row.historical else "")


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def _rule(case: Case) -> str:
    """The rule as it was written when it decided; its name where that configuration is gone."""
    root = parse(case.yaml, Report("")) if case.yaml else None
    rules = root.values.get("rules") if root else None
    for item in rules.items if isinstance(rules, Sequence) else ():
        if isinstance(item, Mapping) and getattr(item.values.get("name"), "raw", None) == case.row.rule:
            return _flow(item)
    return f"{case.row.rule} on {case.row.signal or 'all records'}"


def _flow(node: Node) -> str:
    """A node on one line."""
    if isinstance(node, Scalar):
        return node.raw
    if isinstance(node, Sequence):
        return f"[{', '.join(map(_flow, node.items))}]"
    return "{" + ", ".join(f"{key}: {_flow(value)}" for key, value in node.values.items()) + "}"


def _event(case: Case) -> str:
    """What is counted: `of requests fail`, `of latency_ms is above 3.1 s`."""
    if case.event.what in ("above", "below"):
        return f"of {case.row.signal} is {case.event.what} {amount(case.event.edge, case.facts.unit)}"
    return subject(case.facts)


def _reference(case: Case) -> str:
    r, usual = case.reference, _usual(case)
    if r is None:
        return "none: the limit stands by itself"
    when = days(r.learned_from, r.learned_until)
    said = f"#{r.reference_id}, {r.origin} from {r.records:,} records, {when}"
    said += f", {hours_of_week(case.facts.reference_hours)}" if case.facts.reference_hours else ""
    said += ", provisional: three times the tolerance" if r.provisional else ""
    if usual is None:
        return said
    value = "" if unit_of(case.facts) == "share" else f"{_value(case, case.row.reference)}; "
    return f"{said}: {value}{percent(usual)} {_event(case)} ({r.k:,} of {r.n:,})"


def _value(case: Case, value: float | None) -> str:
    """`p99 6.8 s`, or the figure alone where it is a share."""
    if value is None or not isfinite(value):
        return "nothing counted"
    shown = amount(value, unit_of(case.facts))
    return shown if unit_of(case.facts) == "share" else f"{case.row.quantity} {shown}"


def _limit(case: Case) -> str:
    limit = share_limit(case)
    written = f"{case.row.tolerance}: " if case.row.tolerance else ""
    if limit is None:
        return written.removesuffix(": ") or "nothing at all"
    about = "about " if case.event.what in ("above", "below") and case.stored_limit is None else ""
    return f"{written}{'at least' if is_floor(case) else 'at most'} {about}{percent(limit)} {_event(case)}"


def _observed(case: Case) -> str:
    row, facts = case.row, case.facts
    if facts.kind == "absent":
        return f"nothing for {duration(row.observed or 0)}"
    counted = "" if row.affected is None else f" ({row.affected:,} of {row.total:,})"
    if unit_of(facts) == "share" or not row.total:
        return f"{_value(case, row.observed)} {_event(case)} since the onset{counted}"
    return f"{_value(case, row.observed)} since the onset; {percent(row.affected / row.total)} {_event(case)}{counted}"


def _promise(case: Case) -> str:
    if case.row.guaranteed:
        return "covered: were this a false alarm, it would count against `false_alarms`"
    reasons = {
        "absent": "silence is a fact, not evidence",
        "window": "a plain threshold on a window has no statistics",
        "total": "a total is added up, without statistics",
        "objective": "an error budget is added up, without statistics",
        "traffic": "requests are compared with last week, without statistics",
    }
    if case.facts.found_by:
        return f"outside: seen by {' and '.join(case.facts.found_by)} while the stream was learning"
    late = "no block length was found, or not yet, beyond which bursts do not reach"
    why = "the reference was provisional" if case.facts.provisional else late
    return f"outside: {reasons.get(case.facts.kind, why)}"


def _cause(case: Case) -> str:
    row, said = case.row, []
    if row.cause_field:
        said.append(f"{row.cause_field} {row.cause_value}, which stands out")
    if row.version and row.version_seen_at:
        apart = (row.onset_at - row.version_seen_at).total_seconds()
        order = "before" if apart >= 0 else "after"
        said.append(f"version {row.version}, first seen {duration(1000 * abs(apart))} {order} the onset")
    return "; ".join(said)


def _outcome(case: Case) -> str:
    row = case.row
    taken = f"taken by {row.acknowledged_by}" if row.acknowledged_by else "taken by nobody"
    if row.outcome:
        return f"{taken}, marked {row.outcome}"
    return f"{taken}, not marked: tocsin ack {row.incident_id} --outcome true|false_alarm|expected"
