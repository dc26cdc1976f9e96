"""What an incident's messages are written from: values only, stored as `incident.facts`."""

from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, Literal

import msgspec

FactKind = Literal[
    "rate", "distribution", "category", "traffic", "total", "objective", "absent", "window", "internal"
]
KillState = Literal[
    "tripped",
    "confirmed",
    "published",
    "unconfirmed",
    "expired",
    "held_by_guard",
    "would_trip",
    "probing",
    "released",
]

INTERNAL_STREAM: Final = "(tocsin)"


class Slice(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One value of a slice field and what was observed in it, in the unit of the incident's quantity.

    `share` is its part of all that is beyond the usual, of the slice that explains the incident.
    """

    field: str
    value: str
    observed: float | None
    n: int = 0
    share: float | None = None


class Coverage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The share of answers that had what the signal counts, in the reference's time too where that is known.

    `withheld` is the share of answers that were withheld (abstained).
    """

    share: float
    before: float | None = None
    withheld: float = 0.0


class Budget(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An objective: `target` share of good records over `over_ms`, those at most `below` in the signal's unit.

    `left` is what is left of its error budget, 1 at first, below 0 where it is overspent.
    """

    target: float
    over_ms: int
    left: float
    below: float | None = None


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that is known of an incident when a message is written.

    `quantity` is `rate`, `p50`...`p99.9` (of a tube: the edge that alarmed), `share:<category>`, `total` or `count`.
    `observed`, `reference` and `at_least` are in the signal's own unit: shares 0..1, latencies ms; `at_least` is
    absolute, the bound that the alarm certifies on its side; `limit` the share that the event behind it must not
    exceed. `affected` of `total` records are since the onset. `kind` "window" is a plain threshold, "total" a sum and
    "objective" the burn of a `budget` over `window_ms`; "absent" has `observed` = ms of silence so far; "internal" is
    Tocsin's own incident: `title` is its headline, `detail` explains it. `found_by` names river's detectors, which
    watch while a stream learns. `part`
    is the (field, value) of a rule with `each`: the figures are of that slice alone.
    `users` are those whose requests failed since the onset, estimated unless `users_exact`.
    """

    env: str
    rule: str
    severity: str
    stream: str
    kind: FactKind
    onset_ms: int
    detected_ms: int
    labels: Mapping[str, str] = msgspec.field(default_factory=dict)
    signal: str | None = None
    quantity: str | None = None
    side: Literal["up", "down"] = "up"
    unit: str | None = None
    observed: float | None = None
    reference: float | None = None
    at_least: float | None = None
    limit: float | None = None
    tolerance: str | None = None
    window_ms: int | None = None
    affected: int | None = None
    total: int | None = None
    guaranteed: bool = True
    found_by: tuple[str, ...] = ()
    provisional: bool = False
    median_unchanged: bool = False
    reference_id: int | None = None
    reference_n: int | None = None
    reference_from_ms: int | None = None
    reference_until_ms: int | None = None
    reference_hours: tuple[int, ...] = ()
    version: str | None = None
    version_seen_ms: int | None = None
    slices: tuple[Slice, ...] = ()
    coverage: Coverage | None = None
    users: int | None = None
    users_exact: bool = True
    traces: tuple[str, ...] = ()
    kill_switch: str | None = None
    historical: bool = False
    runbook: str | None = None
    links: tuple[tuple[str, str], ...] = ()
    title: str | None = None
    detail: str | None = None
    part: tuple[str, str] | None = None
    budget: Budget | None = None


class KillFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened to a kill switch, for the message that tells an incident's receivers.

    `value` says which of its states, of a switch with `per`. `confirmed_ms` is when its webhook took it; with
    `by_topic`, for a switch that has none, when it stood in the topic.
    """

    switch: str
    state: KillState
    mode: str
    sequence: int
    actor: str
    at_ms: int
    target: str | None = None
    confirmed_ms: int | None = None
    response: str | None = None
    attempts: int = 0
    share: float | None = None
    value: str = ""
    reason: str = ""
    by_topic: bool = False


def facts_of(stored: Mapping[str, Any]) -> Facts:
    """The facts from `incident.facts`; fields that a newer program wrote are ignored."""
    return msgspec.convert(stored, Facts, strict=False)


def stored_facts(facts: Facts | KillFacts) -> dict[str, Any]:
    """The facts as builtins that jsonb takes."""
    builtins: dict[str, Any] = storable(msgspec.to_builtins(facts))
    return builtins


def storable(value: Any) -> Any:
    """`value` without what jsonb refuses: NUL and lone surrogates are replaced, NaN and infinities null."""
    match value:
        case str():
            return value.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
        case float():
            return value if isfinite(value) else None
        case Mapping():
            return {storable(str(k)): storable(v) for k, v in value.items()}
        case list() | tuple():
            return [storable(v) for v in value]
        case _:
            return value


def is_relative(tolerance: str | None) -> bool:
    """Whether a limit moves with its reference, as `2x` and `10pp` do and `10%` does not."""
    return not tolerance or tolerance.endswith(("x", "pp"))
