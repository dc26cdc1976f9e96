"""From a payload of the outbox to words: what, how much, since when, against what, and what to type next."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any, Final

from monitor.config.matchers import exact, written
from monitor.config.templates import INCIDENT, fields, filled_address
from monitor.ledger.facts import Facts, facts_of, is_relative
from monitor.ledger.headline import LONGEST, headline
from monitor.ledger.wording import clip
from monitor.notify.context import context, runbook_link
from monitor.notify.kill_story import kill_headline, kill_of, kill_story
from monitor.notify.story import lasted, story

PART: Final = 250
STORY: Final = 1_500
TEST: Final = "This is a test of this receiver: nothing has happened."
MOST_ALSO: Final = 5


@dataclass(frozen=True, slots=True)
class Command:
    """What to type (shell or SQL); `lead` says when, where that is not plain."""

    typed: str
    lead: str = ""

    def __str__(self) -> str:
        return self.lead + self.typed


@dataclass(frozen=True, slots=True)
class Message:
    """The words of one message; receivers only lay them out.

    `headline` and `story` are plain text, `context` short phrases, `links` pairs of label and address.
    The headline is never empty: PagerDuty refuses an event without one.
    """

    headline: str
    story: str
    context: tuple[str, ...]
    commands: tuple[Command, ...]
    links: tuple[tuple[str, str], ...]

    @property
    def text(self) -> str:
        """Everything as plain text, one line a part."""
        links = [f"{label}: {address}" for label, address in self.links]
        return "\n".join(
            part
            for part in (
                self.headline,
                self.story,
                " · ".join(self.context),
                *map(str, self.commands),
                *links,
            )
            if part
        )


def compose(event: str, payload: Mapping[str, Any]) -> Message:
    """The message for `event` about the incident, kill or both that `payload` holds."""
    stored = payload.get("facts")
    facts = facts_of(stored) if stored else None
    kill = kill_of(payload)
    if kill is not None:
        top, told = kill_headline(kill, payload, facts), kill_story(kill, facts)
    elif facts is not None:
        top, told = _headline(event, facts, payload) + _more(payload), _story(event, facts, payload)
    else:
        top, told = event, ""
    if payload.get("test"):
        top, told = f"TEST {top}", f"{TEST} {told}"
    return Message(
        headline=clip(" ".join(top.split()) or event, LONGEST + PART),
        story=clip(told, STORY),
        context=tuple(clip(part, PART) for part in context(facts, payload)) if facts else (),
        commands=_commands(event, payload, facts),
        links=(*runbook_link(facts), *_links(facts, payload)) if facts else (),
    )


def _links(facts: Facts, payload: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Those of alerts.yaml; a test is of no incident that a link could lead to."""
    incident = payload.get("incident_id")
    for label, to in facts.links:
        if incident or INCIDENT not in fields(to):
            yield label, filled_address(to, {INCIDENT: str(incident)})


def _headline(event: str, facts: Facts, payload: Mapping[str, Any]) -> str:
    what = headline(facts)
    match event:
        case "escalated":
            return f"NOW {facts.severity.upper()} {what}"
        case "acknowledged":
            return f"ACKNOWLEDGED by {clip(str(payload.get('acknowledged_by')), 80)} · {what}"
        case "resolved" if payload.get("state") == "expired":
            return f"CLOSED {what}"
        case "resolved":
            return f"RESOLVED {what}"
        case "opened":
            return f"{_how(payload)}{what}"
        case _:
            return what


def _how(payload: Mapping[str, Any]) -> str:
    """How an incident comes to be told now."""
    if payload.get("digest"):
        return "FOUND LATE "
    ways = {"back": "BACK ", "again": "STILL FIRING ", "joined": "ALSO ", "turned": "TURNED "}
    return next((word for way, word in ways.items() if payload.get(way)), "")


def _more(payload: Mapping[str, Any]) -> str:
    """What else the message is about."""
    also, left = payload.get("also_n"), payload.get("left")
    parts = [f"and {also:,} more" if also else "", f"{left:,} of this page still firing" if left else ""]
    said = ", ".join(part for part in parts if part)
    return f" ({said})" if said else ""


def _story(event: str, facts: Facts, payload: Mapping[str, Any]) -> str:
    told = lasted(facts, payload) if event == "resolved" else story(facts)
    also = [str(each["summary"]) for each in payload.get("also") or ()][:MOST_ALSO]
    return f"{told} Also: {'; '.join(clip(one, 160) for one in also)}." if also else told


def _commands(event: str, payload: Mapping[str, Any], facts: Facts | None) -> tuple[Command, ...]:
    """What can be typed next: commands that exist, and the incident in SQL."""
    commands: list[Command] = []
    incident, switch = payload.get("incident_id"), _tripped_switch(payload)
    if switch:
        commands += [Command("tocsin kill status"), Command(f"tocsin kill release {switch} --reason ...")]
    if incident and event in ("opened", "escalated", "tripped") and not payload.get("acknowledged_at"):
        commands.append(Command(f"tocsin ack {incident}"))
        if facts is not None and _is_against_reference(facts) and not switch:
            commands.append(Command(f"tocsin accept {incident}", "meant to be so: "))
        commands += _silence(facts)
    if incident:
        commands.append(Command(f"SELECT * FROM tocsin.timeline WHERE incident_id = '{incident}'"))  # noqa: S608
    return tuple(commands)


def _is_against_reference(facts: Facts) -> bool:
    """Whether a new reference would move the limit; an absolute one stays where it is."""
    return facts.reference_id is not None and is_relative(facts.tolerance)


def _silence(facts: Facts | None) -> list[Command]:
    """How to have peace from the stream; Tocsin's own incidents have none."""
    if facts is None or facts.kind == "internal":
        return []
    label, value = next(iter(facts.labels.items()), ("stream", facts.stream))
    command = f"tocsin silence add {written({label: exact(value)})} --for 2h"
    return [Command(command)] if len(command) <= PART and command.isprintable() else []


def _tripped_switch(payload: Mapping[str, Any]) -> str | None:
    kill = kill_of(payload)
    if kill is not None:
        idle = kill.state in ("released", "held_by_guard", "would_trip")
        return None if idle else _typed(kill.switch, kill.value)
    if payload.get("switch_state") not in ("tripped", "probing"):
        return None
    return _typed(str(payload.get("kill_switch")), str(payload.get("switch_value") or ""))


def _typed(switch: str, value: str) -> str:
    """The switch as a shell takes it."""
    return f"{quote(switch)} --stream {quote(value)}" if value else quote(switch)
