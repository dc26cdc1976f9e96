"""The words for a kill switch: KILLED, KILL NOT CONFIRMED, KILL HELD BACK, RELEASED."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from monitor.ledger.facts import Facts, KillFacts
from monitor.ledger.headline import headline
from monitor.ledger.moments import moment
from monitor.ledger.wording import clip, clock
from monitor.notify.story import affected_users, began, covered, records

_TIMES: Final = {1: "once", 2: "twice"}
_SHOUTS: Final = {
    "tripped": "KILLED",
    "confirmed": "KILLED",
    "published": "KILLED",
    "unconfirmed": "KILL NOT CONFIRMED",
    "expired": "KILL NOT CONFIRMED",
    "held_by_guard": "KILL HELD BACK",
    "would_trip": "WOULD HAVE KILLED",
    "released": "RELEASED",
}


_DID: Final = {
    "held_by_guard": "held back",
    "would_trip": "would have been tripped",
    "probing": "lets a share through from",
    "released": "released",
}


def kill_of(payload: Mapping[str, Any]) -> KillFacts | None:
    """The kill that a payload tells of."""
    stored = payload.get("kill")
    return None if stored is None else msgspec.convert(stored, KillFacts, strict=False)


def kill_headline(kill: KillFacts, payload: Mapping[str, Any], facts: Facts | None) -> str:
    """`KILLED chat-eu: 96% of requests fail, was 0.4%`; without an incident the reason that was given."""
    if kill.state == "released":
        return f"RELEASED switch {kill.switch}: {clip(kill.reason, 200)}"
    if kill.state == "probing":
        return f"PROBING switch {kill.switch}: {clip(kill.reason, 200)}"
    if facts is not None:
        return f"{_SHOUTS[kill.state]} {headline(facts)}"
    stream = clip(str((payload.get("switch") or {}).get("stream") or ""), 120)
    return f"{_SHOUTS[kill.state]} {stream or kill.switch}: {clip(kill.reason, 200)}"


def kill_story(kill: KillFacts, facts: Facts | None) -> str:
    """When it began, when and by whom the switch changed, and what its webhook answered."""
    start = f"Began {began(facts)}; switch" if facts is not None else "Switch"
    seen_from = moment(facts.detected_ms) if facts is not None else moment(kill.at_ms)
    did = _DID.get(kill.state, "tripped")
    at = clock(moment(kill.at_ms), seen_from)
    what = f"{start} {kill.switch} {did} {at} UTC by {clip(kill.actor, 80)}{_mode(kill)}"
    return f"{what}{_webhook(kill)}{_before(kill, facts)}"


def _mode(kill: KillFacts) -> str:
    if kill.state in ("released", "probing"):
        return ""
    return f": {kill.mode} to {clip(kill.target, 80)}" if kill.target else f": {kill.mode}"


def _webhook(kill: KillFacts) -> str:
    answer = clip(kill.response or "nothing", 200)
    match kill.state:
        case "confirmed" | "published" | "released" | "probing" if kill.confirmed_ms is not None:
            at = clock(moment(kill.confirmed_ms), moment(kill.at_ms))
            if kill.by_topic:
                return f", in its topic {at} UTC ({answer}); whether the service obeys, a topic cannot tell."
            return f", confirmed {at} UTC ({answer})."
        case "unconfirmed":
            return f". {_failed(kill, answer)}; still serving as far as is known; retrying."
        case "expired":
            return f". {_failed(kill, answer)}; given up: it may still be serving."
        case "held_by_guard":
            return f". {clip(kill.reason, 300)}"
        case "would_trip":
            return ". This is a dry run: it is still serving."
        case _:
            return "."


def _before(kill: KillFacts, facts: Facts | None) -> str:
    if (
        facts is None
        or facts.affected is None
        or not facts.total
        or kill.state in ("released", "probing", "held_by_guard")
    ):
        return ""
    verb = "failed" if facts.signal in ("error", "timeout") else f"{records(facts)} were affected"
    until = "before it" if kill.state in ("confirmed", "published") else "so far"
    return f" {facts.affected:,} of {facts.total:,} {verb} {until}{affected_users(facts)}.{covered(facts)}"


def _failed(kill: KillFacts, answer: str) -> str:
    how = "Writing it to its topic" if kill.by_topic else "Its webhook"
    return f"{how} failed {_TIMES.get(kill.attempts, f'{kill.attempts} times')} ({answer})"
