"""A move of an incident as a verdict, whatever saw it."""

from monitor.judge.evidence import Alarm
from monitor.judge.objective import ObjectiveWatch
from monitor.judge.parts import slice_of, stream_of
from monitor.judge.plan import KillWatch, TotalWatch, TrafficWatch, Watch, WindowWatch
from monitor.judge.reference import Reference
from monitor.judge.verdicts import Open, Verdict, What


def verdict_of(
    what: What,
    watch: Watch | WindowWatch | TrafficWatch | TotalWatch | ObjectiveWatch | KillWatch,
    stream: int,
    incident: Open,
    detected_ms: int,
    alarm: Alarm | None = None,
    reference: Reference | None = None,
    reason: str = "",
) -> Verdict:
    """The move that `incident`, of a stream or a part of one, has made at `detected_ms`."""
    return Verdict(
        what=what,
        rule=watch.rule.name,
        signal=watch.signal.name,
        stream=stream_of(stream),
        severity=incident.severity,
        onset_ms=incident.onset_ms,
        detected_ms=detected_ms,
        watch=watch.key,
        alarm=alarm,
        reference=reference,
        reason=reason,
        slice_id=slice_of(stream),
    )
