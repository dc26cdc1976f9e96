"""What is told of incidents as time goes by: after a mute, after flapping, again and again, and what was found late.

Pure.
"""

from collections.abc import Sequence
from typing import Final

from monitor.judge.standing import Digested, Mark, Note, Standing, Step, View, message
from monitor.judge.telling import audience, back, hold_back, is_dry_run, knowing, listed, opened, rule_of
from monitor.ledger.incidents import FLAPPING
from monitor.ledger.moments import moment, rfc3339
from monitor.ledger.outbox import Addressee, addressees

NO_DIGEST: Final = ("pagerduty",)
"""Receivers that wake people are not told of the past."""


def released(view: View) -> list[Step]:
    """Tell of what still fires once nothing holds it back any more."""
    steps: list[Step] = []
    fresh: list[Standing] = []
    for one in view.firing:
        if one.held_back is None or is_dry_run(view, one):
            continue
        if one.held_back == FLAPPING and not _is_back(view, one):
            continue
        why = view.quiet.reason(one.words)
        if why is not None:
            steps += _still_held(one, why)
            continue
        steps.append(Note(one.incident_id, "told_late", f"was held back: {one.held_back}"))
        if one.held_back == FLAPPING:
            steps += back(view, one)
        elif view.told(one.page):
            steps += _grown(view, one)
        else:
            fresh.append(one)
    return steps + opened(view.after(steps), fresh, key=f"late/{view.now_ms}")


def _is_back(view: View, one: Standing) -> bool:
    """Whether an incident that came back has fired for as long as it takes to resolve."""
    rule = rule_of(view, one)
    since = view.now_ms if one.notified_ms is None else one.notified_ms
    return rule is None or view.now_ms - since >= rule.clear_for_ms


def _still_held(one: Standing, why: str) -> list[Step]:
    """For another reason by now; what came back stays so."""
    changed = one.held_back not in (why, FLAPPING)
    return [Mark(one.incident_id, {"held_back": why})] if changed else []


def _grown(view: View, one: Standing) -> list[Step]:
    """Tell what an incident that people know has grown to."""
    mark = Mark(one.incident_id, {"held_back": None, "notified_ms": view.now_ms})
    key = one.key(f"{one.severity}/late/{view.now_ms}")
    return [mark, *message(one, "escalated", knowing(view, one), key)]


def again(view: View) -> list[Step]:
    """Say that it still fires, after each `renotify` in which nobody acknowledged it."""
    due = [one for one in view.firing if _is_open_page(one) and _is_due(view, one)]
    return [step for one in due for step in _tell_again(view, one)]


def _is_open_page(one: Standing) -> bool:
    told = one.notified_ms is not None and one.held_back is None and one.group_id is None
    return told and not (one.acknowledged or one.historical)


def _is_due(view: View, one: Standing) -> bool:
    rule = rule_of(view, one)
    if rule is None or rule.renotify_ms is None or one.notified_ms is None or is_dry_run(view, one):
        return False
    return view.now_ms - one.notified_ms >= rule.renotify_ms


def _tell_again(view: View, one: Standing) -> list[Step]:
    key, why = f"again/{view.now_ms}", view.quiet.reason(one.words)
    if why is not None:
        return hold_back(view, one, why, "opened", key)
    mark = Mark(one.incident_id, {"notified_ms": view.now_ms})
    note = Note(one.incident_id, "told_again", "nobody has acknowledged it")
    return [mark, note, *message(one, "opened", view.told(one.page), one.key(key), {"again": True})]


def digest(view: View, late: Sequence[Standing]) -> list[Step]:
    """One message for all that was found late; `late` is by onset."""
    if not late:
        return []
    first, steps = late[0], list[Step]()
    for one in late:
        group_id = None if one is first else first.incident_id
        steps.append(Digested(one.incident_id, group_id, view.now_ms))
        steps.append(
            Note(one.incident_id, "digest", f"found late: told in the digest of {first.incident_id}")
        )
    span = {"from": rfc3339(moment(first.onset_ms)), "until": rfc3339(moment(late[-1].onset_ms))}
    extra = {**listed(late[1:]), "digest": {"n": len(late), **span}}
    return steps + message(first, "opened", _digested(view, late), "digest", extra)


def _digested(view: View, late: Sequence[Standing]) -> list[Addressee]:
    default = addressees(view.config, view.config.default_notify)
    named = [receiver for one in late for receiver in audience(view, one)]
    return [each for each in (*default, *named) if each.kind not in NO_DIGEST]
