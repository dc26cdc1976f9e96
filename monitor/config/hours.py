"""`Mon-Fri 07:00-22:00 Europe/Zurich`: when a rule holds or a mute is in force, by the clocks of a time zone."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from monitor.config.problem import Report, UnsetError, WrongError, meant
from monitor.config.rule import Hours, Span
from monitor.config.section import each
from monitor.config.tree import Node, Sequence
from monitor.config.values import named, scalar, text, written

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOW: Final = "write Mon-Fri 07:00-22:00 Europe/Zurich"
_FORM: Final = re.compile(
    r"(?:(?P<days>[A-Za-z]{3}(?:[-,][A-Za-z]{3})*)\s+)?"
    r"(?P<h1>\d{1,2}):(?P<m1>\d{2})-(?P<h2>\d{1,2}):(?P<m2>\d{2})(?:\s+(?P<zone>\S+))?"
)
_MINUTES: Final = 24 * 60


def read_hours(node: Node, report: Report) -> Hours:
    """One time of day, or a list of them, all in one time zone (UTC where none is named)."""
    found = each(node, _span, report)
    zones = {zone for _, zone in found}
    if len(zones) > 1:
        raise WrongError("these are in several time zones", "name one and the same in all of them")
    if isinstance(node, Sequence) and not node.items:
        raise WrongError("there are no hours", _HOW)
    if not found:
        raise UnsetError
    return Hours(tuple(span for span, _ in found), zones.pop())


def _span(node: Node) -> tuple[Span, str]:
    match = _FORM.fullmatch(text(node))
    if match is None:
        raise WrongError(f"{written(scalar(node))} is not a time of day", _HOW)
    start, end = (int(match[f"h{i}"]) * 60 + int(match[f"m{i}"]) for i in (1, 2))
    minutes = max(int(match["m1"]), int(match["m2"]))
    if minutes > 59 or start >= _MINUTES or end > _MINUTES or start == end:
        raise WrongError(f"{written(scalar(node))} is not a time of day", "from 00:00 to 24:00")
    return Span(_days(match["days"], node), start, end), _zone(match["zone"] or "UTC", node)


def _days(given: str | None, node: Node) -> frozenset[int]:
    if given is None:
        return frozenset(range(7))
    found: set[int] = set()
    for part in given.lower().split(","):
        ends = part.split("-")
        if len(ends) > 2 or any(day not in DAYS for day in ends):
            raise WrongError(f"{written(scalar(node))} has no such days", "Mon, Tue, Wed, Thu, Fri, Sat, Sun")
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        found |= {(first + i) % 7 for i in range((last - first) % 7 + 1)}
    return frozenset(found)


def _zone(name: str, node: Node) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        near = meant(name, ("Europe/Zurich", "Europe/London", "America/New_York", "Asia/Tokyo", "UTC"))
        raise WrongError(f"{named(node)} has no known time zone", near or "such as Europe/Zurich") from None
    return name


def began(hours: Hours, ms: int) -> int | None:
    """When the hours began in which `ms` falls, in ms since the epoch; None outside of them.

    Spans that meet are one; what lasts for a week or more has always been.
    """
    zone = ZoneInfo(hours.zone)
    start = _start(hours, ms, zone)
    first = start
    for _ in range(8 * len(hours.spans)):
        if start is None:
            return first
        first, start = start, _start(hours, start - 1, zone)
    return 0


@lru_cache(256)
def longest_ms(hours: Hours) -> int | None:
    """How long the hours last at most without a break, in ms; None where they never end. Summer time is left out."""
    week = [False] * (7 * _MINUTES)
    for span in hours.spans:
        for day in span.days:
            for minute in range(span.start, span.end + (_MINUTES if span.end <= span.start else 0)):
                week[(day * _MINUTES + minute) % len(week)] = True
    if all(week):
        return None
    shut = week.index(False)
    breaks = "".join("x" if week[(shut + i) % len(week)] else " " for i in range(len(week)))
    return max(map(len, breaks.split())) * 60_000


def _start(hours: Hours, ms: int, zone: ZoneInfo) -> int | None:
    """When the span began in which `ms` falls."""
    local = datetime.fromtimestamp(ms / 1000, UTC).astimezone(zone)
    minute = local.hour * 60 + local.minute
    starts = []
    for span in hours.spans:
        overnight = span.end <= span.start
        if local.weekday() in span.days and minute >= span.start and (overnight or minute < span.end):
            starts.append(_instant(local, span.start, 0, zone))
        if overnight and (local.weekday() - 1) % 7 in span.days and minute < span.end:
            starts.append(_instant(local, span.start, 1, zone))
    return min(starts, default=None)


def _instant(local: datetime, minute: int, days_before: int, zone: ZoneInfo) -> int:
    day = local.date() - timedelta(days=days_before)
    at = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=zone)
    return round(at.timestamp() * 1000)
