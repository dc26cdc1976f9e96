"""What happened, in sentences."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row

from monitor.ledger.wording import digits, duration
from monitor.postmortem.queries import Answer

_FAILURES: Final = ("error", "timeout")


def story(answers: Mapping[str, Answer]) -> list[str]:
    """One paragraph on what was seen, one on who was told and what the switch did, one on what it came to."""
    row, delays = answers["fired"].rows[0], answers["delays"].rows[0]
    return [
        " ".join(part for part in parts if part)
        for parts in (
            (_began(row, delays), _version(row, answers), _ended(row, delays)),
            (_told(answers, delays), _killed(answers)),
            (_met(row, answers), _cost(answers)),
        )
        if any(parts)
    ]


def _began(row: Row[Any], delays: Row[Any]) -> str:
    late = 1000 * delays.detected_after.total_seconds()
    seen = f"was detected {duration(late)} later" if late else "was seen at once"
    if row.historical:
        seen = f"was found in a backlog that was read {_at(row.opened_at)},"
    of = f" ({row.part_field} {row.part_value})" if row.part_field else ""
    return f"It began {_at(row.onset_at)} and {seen} by rule {row.rule} on {row.stream}{of}."


def _version(row: Row[Any], answers: Mapping[str, Answer]) -> str:
    new = [s for s in answers["slices"].rows if s.field == "version" and s.before is None and s.first_seen]
    if not new:
        return ""
    return f"Version {new[0].value} first appeared {_at(new[0].first_seen)}."


def _ended(row: Row[Any], delays: Row[Any]) -> str:
    if row.ended_at is None:
        return "It is still going on."
    return f"It was {row.state} {_at(row.ended_at)}, {_lasted(delays.lasted)} after it began."


def _told(answers: Mapping[str, Answer], delays: Row[Any]) -> str:
    if delays.told_after is None:
        return "Nobody was told when it opened."
    first = [d.receiver for d in answers["told"].rows if d.event == "opened" and d.state == "delivered"]
    who = ", ".join(dict.fromkeys(first))
    return f"{who} heard of it {_lasted(delays.told_after)} after it began" + (
        f"; it was taken {_lasted(delays.acknowledged_after)} after."
        if delays.acknowledged_after
        else "; nobody took it."
    )


def _killed(answers: Mapping[str, Answer]) -> str:
    tripped = [k for k in answers["kill"].rows if k.action == "tripped"]
    if not tripped:
        return ""
    confirmed = [k.confirmed_after for k in tripped if k.confirmed_after is not None]
    first = tripped[0]
    said = f"Switch {first.switch} tripped {_at(first.at)} ({first.mode}) by {first.actor}"
    if not confirmed:
        return f"{said}; nobody confirmed it."
    return f"{said}, confirmed {_lasted(min(confirmed))} later."


def _met(row: Row[Any], answers: Mapping[str, Answer]) -> str:
    (during,) = (m for m in answers["met"].rows if m.phase == "during")
    if not during.requests:
        return ""
    users = f" of {during.users:,} users" if during.users else ""
    came = f"{during.requests:,} requests{users} came while it lasted"
    if row.signal in _FAILURES or row.affected is None or not row.total:
        return f"{came}; {during.failed or 0:,} of them failed."
    return f"{came}. When it was last told, {row.affected:,} of {row.total:,} records had shown it."


def _cost(answers: Mapping[str, Answer]) -> str:
    spent = [c for c in answers["cost"].rows if c.signal == "cost_usd" and c.phase == "during"]
    return f"They cost ${digits(spent[0].total, 3)}." if spent and spent[0].total is not None else ""


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _lasted(time: Any) -> str:
    return duration(1000 * time.total_seconds())
