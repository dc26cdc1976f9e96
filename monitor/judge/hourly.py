"""References by the hour of the week in the judge's state: learned beside the whole, and seen by the hour."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from monitor.judge import hours
from monitor.judge.block import Counts, PaneBlock, of_stream
from monitor.judge.hours import Hours, hour_of
from monitor.judge.reference import Key, Reference
from monitor.judge.state import JudgeState


def noted(state: JudgeState, block: PaneBlock, wanted: Mapping[int, Iterable[int]]) -> JudgeState:
    """Add one pane to the hour in progress of all that is learned (signal code to streams); a past hour joins the rest.

    The rest is stored by itself, so it must change once an hour only.
    """
    now, past = dict(state.hour), dict(state.hours)
    for code, streams in wanted.items():
        counts = block.counts.get(code)
        if counts is None:
            continue
        for stream in streams:
            _note(now, past, (stream, code), hour_of(block.start_ms), counts)
    changed = any(past[key] is not state.hours.get(key) for key in past)
    return replace(state, hour=now, hours=past if changed else state.hours)


def _note(now: dict[Key, Hours], past: dict[Key, Hours], key: Key, hour: int, counts: Counts) -> None:
    buckets, many = of_stream(counts, key[0])
    if not len(buckets):
        return
    one, before = hours.of_hour(hour, buckets, many), now.get(key)
    if before is not None and int(before.hour[0]) != hour:
        past[key] = hours.added(past[key], before) if key in past else before
        before = None
    now[key] = one if before is None else hours.added(before, one)


def settled(state: JudgeState, keys: Iterable[Key]) -> JudgeState:
    """References that are learned keep all their hours, the one in progress too."""
    now, past = dict(state.hour), dict(state.hours)
    for key in keys:
        last = now.pop(key, None)
        if last is not None:
            past[key] = hours.added(past[key], last) if key in past else last
    return replace(state, hour=now, hours=past)


def forgotten(state: JudgeState, keys: Iterable[Key], given: Mapping[Key, Hours] | None = None) -> JudgeState:
    """Without the hours of `keys`, or with those that were `given` for them."""
    gone = set(keys)
    past = {k: h for k, h in state.hours.items() if k not in gone} | dict(given or {})
    return replace(state, hour={k: h for k, h in state.hour.items() if k not in gone}, hours=past)


def reference(state: JudgeState, key: Key, at_ms: int) -> Reference | None:
    """The reference of a stream's signal as it is at a moment: what was usual in that hour of the week."""
    whole = state.references.get(key)
    if whole is None or not whole.hourly or key not in state.hours:
        return whole
    found = hours.usual(state.hours[key], hour_of(at_ms))
    if found is None:
        return whole
    return replace(whole, buckets=found.buckets, counts=found.counts, panes=found.panes, hours=found.hours)
