"""Who is told of an incident, and when: one page for what began together, mutes and silences, ends. Pure.

What happens by the clock afterwards is in `reminding`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from monitor.config.rule import Rule
from monitor.config.templates import receivers
from monitor.judge.standing import (
    Mark,
    Message,
    Note,
    Standing,
    Step,
    View,
    message,
    severest_first,
)
from monitor.ledger.announcements import groups_itself
from monitor.ledger.incidents import FLAPPING
from monitor.ledger.outbox import Addressee, addressees

TOGETHER_MS: Final = 120_000
TURNED: Final = "turned"
MOST_LISTED: Final = 50

Extra = Mapping[str, Any]


def rule_of(view: View, one: Standing) -> Rule | None:
    """The rule that judges the incident's stream by now; None where it is gone."""
    rules = view.rules.values()
    return next((r for r in rules if r.name == one.rule and r.match.accepts(one.labels)), None)


def is_dry_run(view: View, one: Standing) -> bool:
    """Whether nobody is to hear of it: it opened as a dry run, or its rule is one by now."""
    rule = rule_of(view, one)
    return one.dry_run or (rule is not None and rule.dry_run)


def audience(view: View, one: Standing) -> list[Addressee]:
    """Whom the incident's rule names at its severity."""
    known, default = view.config.receivers, view.config.default_notify
    rule = rule_of(view, one)
    names = rule.notify.at(one.severity) if rule is not None else ()
    return addressees(view.config, receivers(names, one.labels, known, default))


def opened(view: View, fresh: Sequence[Standing], key: str = "", extra: Extra | None = None) -> list[Step]:
    """Page for what opened: what began together with an open page joins it, what is muted is held back."""
    steps: list[Step] = []
    pages: dict[str, list[Standing]] = {}
    leaders = _leaders(view, fresh)
    for one in fresh:
        why = view.quiet.reason(one.words)
        if why is not None:
            steps += hold_back(view, one, why, "opened", key)
            continue
        leader = next((each for each in leaders if _together(each, one)), None)
        if leader is None:
            leaders.append(one)
        else:
            steps.append(Note(one.incident_id, "grouped", f"in the page of {leader.incident_id}"))
        group_id = None if leader is None else leader.incident_id
        steps += [_told(view, one), Mark(one.incident_id, {"group_id": group_id})]
        pages.setdefault(group_id or one.incident_id, []).append(one)
    for leader_id, members in pages.items():
        steps += _page(view, leader_id, members, key, extra or {})
    return steps


def _leaders(view: View, fresh: Sequence[Standing]) -> list[Standing]:
    """The open pages that `fresh` may join."""
    mine = {one.incident_id for one in fresh}
    return [one for one in view.firing if one.incident_id not in mine and _is_open_page(one)]


def _is_open_page(one: Standing) -> bool:
    known = one.notified_ms is not None and one.held_back is None
    return known and one.group_id is None and not one.historical


def _together(leader: Standing, one: Standing) -> bool:
    """Whether they began together; what is severer than the page has one of its own, or nobody would look."""
    near = abs(leader.onset_ms - one.onset_ms) <= TOGETHER_MS
    alike = leader.rule == one.rule or leader.stream == one.stream
    return near and alike and leader.severity.rank >= one.severity.rank


def _page(view: View, leader_id: str, members: Sequence[Standing], key: str, extra: Extra) -> list[Step]:
    """One message to each receiver for all of `members` that it is to hear of."""
    knows = {receiver.name for receiver in view.told(leader_id)}
    heard: dict[Addressee, list[Standing]] = {}
    for one in members:
        for receiver in audience(view, one):
            heard.setdefault(receiver, []).append(one)
    steps: list[Step] = []
    for receiver, found in heard.items():
        if groups_itself(receiver):
            steps += [step for one in found for step in message(one, "opened", [receiver], key, extra)]
            continue
        joined = {"joined": True} if receiver.name in knows else {}
        also = {**listed(found[1:]), **joined, **extra}
        steps += message(found[0], "opened", [receiver], key, also)
    return steps


def listed(found: Sequence[Standing]) -> dict[str, Any]:
    """What a message says of further incidents."""
    if not found:
        return {}
    names = ("incident_id", "rule", "stream", "severity", "summary")
    return {
        "also": [{n: getattr(one, n) for n in names} for one in found[:MOST_LISTED]],
        "also_n": len(found),
    }


def hold_back(view: View, one: Standing, why: str, event: str, key: str = "") -> list[Step]:
    """Keep a message and send it to nobody; the incident is told of when `why` is over.

    What came back stays so: nobody was told that, so that its end is no news either.
    """
    held = [] if one.held_back == FLAPPING else [Mark(one.incident_id, {"held_back": why})]
    note = Note(one.incident_id, "suppressed", f"{event}: {why}")
    kept = Message(one.incident_id, event, tuple(audience(view, one)), one.key(key), suppressed=True)
    return [*held, note, kept]


def escalated(view: View, one: Standing) -> list[Step]:
    """Tell those who were told before, and whom the new severity names; what was historical is news to them."""
    why = view.quiet.reason(one.words)
    if why is not None:
        return hold_back(view, one, why, "escalated", one.severity)
    if one.held_back == FLAPPING:
        return back(view, one)
    return [_told(view, one), *message(one, "escalated", knowing(view, one), one.key(one.severity))]


def turned(view: View, one: Standing) -> list[Step]:
    """Tell those who know of an incident that it has turned to the other side: what they were told is so no more."""
    why = view.quiet.reason(one.words)
    if why is not None:
        return hold_back(view, one, why, "opened", TURNED)
    if one.held_back == FLAPPING:
        return back(view, one)
    return [_told(view, one), *message(one, "opened", knowing(view, one), one.key(TURNED), {TURNED: True})]


def back(view: View, one: Standing) -> list[Step]:
    """Tell that an incident fires again of which people were told that it had ended."""
    return [_told(view, one), *message(one, "opened", knowing(view, one), one.key(), {"back": True})]


def pulling(view: View, one: Standing) -> list[Step]:
    """A return that nobody was told of pulls a switch, of which people hear: so they hear of the return and its end."""
    if one.held_back != FLAPPING or is_dry_run(view, one):
        return []
    why = view.quiet.reason(one.words)
    return back(view, one) if why is None else [Mark(one.incident_id, {"held_back": why})]


def knowing(view: View, one: Standing) -> list[Addressee]:
    """Those who were told before, and whom the rule names by now."""
    return [*view.told(one.page), *audience(view, one)]


def _told(view: View, one: Standing) -> Step:
    return Mark(one.incident_id, {"held_back": None, "notified_ms": view.now_ms})


def ended(view: View, over: Iterable[Standing]) -> list[Step]:
    """Say that incidents have ended to all who know of their page, one message a page; silences do not matter."""
    pages: dict[str, list[Standing]] = {}
    for one in severest_first(over):
        if one.held_back != FLAPPING:
            pages.setdefault(one.page, []).append(one)
    return [step for page, found in pages.items() for step in _page_ended(view, page, found)]


def _page_ended(view: View, page: str, found: Sequence[Standing]) -> list[Step]:
    left = sum(one.page == page and one.held_back != FLAPPING for one in view.firing)
    extra = {**listed(found[1:]), **({"left": left} if left else {})}
    to, steps = view.told(page), list[Step]()
    for one in found:
        steps += message(one, "resolved", [each for each in to if groups_itself(each)], one.key())
    rest = [each for each in to if not groups_itself(each)]
    return steps + message(found[0], "resolved", rest, found[0].key(), extra)
