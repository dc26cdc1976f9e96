"""Incidents to write about: the contract's examples, and whatever hypothesis finds."""

from datetime import UTC, datetime

from hypothesis import strategies as st

from monitor.ledger.facts import Budget, Coverage, Facts, KillFacts, Slice, storable, stored_facts
from monitor.ledger.incidents import incident_row
from monitor.ledger.moments import millis, moment, rfc3339
from monitor.records.signals import SIGNALS


def at(text):
    return millis(datetime.fromisoformat(f"2026-11-22T{text}").replace(tzinfo=UTC))


def day(text):
    return millis(datetime.fromisoformat(text).replace(tzinfo=UTC))


BASE = {
    "env": "prod-eu",
    "rule": "language",
    "severity": "warning",
    "stream": "chat-eu",
    "kind": "rate",
    "onset_ms": at("02:51:20"),
    "detected_ms": at("02:53:00"),
}

GERMAN = Facts(
    **BASE
    | {
        "kind": "category",
        "signal": "output_language",
        "quantity": "share:de",
        "observed": 0.31,
        "reference": 0.02,
        "at_least": 0.26,
        "affected": 4310,
        "total": 13900,
        "version": "v42",
        "version_seen_ms": at("02:50:40"),
        "slices": (
            Slice(field="version", value="v42", observed=0.58),
            Slice(field="version", value="v41", observed=0.02),
        ),
        "reference_id": 77,
        "reference_n": 10_000,
        "reference_from_ms": day("2026-11-08"),
        "reference_until_ms": day("2026-11-14T10:00"),
        "traces": ("t1", "t2", "t3", "t4"),
        "kill_switch": "chat",
        "runbook": "https://wiki.corp/runbooks/language",
    }
)

FAILING = Facts(
    **BASE
    | {
        "rule": "errors",
        "severity": "critical",
        "signal": "error",
        "quantity": "rate",
        "observed": 0.96,
        "reference": 0.004,
        "onset_ms": at("03:11:51"),
        "detected_ms": at("03:12:03"),
        "affected": 1539,
        "total": 1603,
        "kill_switch": "chat",
        "users": 143,
    }
)

SWITCH = {
    "switch": "chat",
    "stream": "chat-eu",
    "state": "tripped",
    "mode": "degrade",
    "target": "rules-v3",
    "sequence": at("03:12:03"),
    "reason": "96% of requests fail, was 0.4%",
    "incident_id": "k3v9q2m7ab",
    "actor": "errors",
    "at": "2026-11-22T03:12:03.000Z",
    "evidence_until": "2026-11-22T03:12:02.500Z",
    "not_after": "2026-11-22T03:18:03.000Z",
}


def killed(state="confirmed", **changes):
    base = {
        "switch": "chat",
        "state": state,
        "mode": "degrade",
        "sequence": SWITCH["sequence"],
        "actor": "errors",
        "at_ms": at("03:12:03"),
        "target": "rules-v3",
        "confirmed_ms": at("03:12:04") if state in ("confirmed", "released") else None,
        "response": "HTTP 200",
        "attempts": 1,
        "reason": "96% of requests fail, was 0.4%",
    }
    return KillFacts(**base | changes)


def payload_of(facts, **more):
    """The payload that the outbox would hold for `facts`."""
    row = incident_row(facts, incident_id="k3v9q2m7ab", config_hash="c0ffee")
    instants = {key: rfc3339(moment(v)) for key, v in row.items() if key.endswith("_at") and v is not None}
    return storable({**row, **instants, "facts": stored_facts(facts), **more})


def kill_payload(facts, kill):
    return payload_of(facts, kill=stored_facts(kill), switch=SWITCH)


names = st.text(max_size=250)
awkward = st.one_of(
    names, st.sampled_from(["<!channel>", "&" * 200, "`rm`", "*b*", "🦜" * 200, "\0", "a\nb", "é" * 3000])
)
numbers = st.one_of(st.none(), st.floats(), st.floats(0, 1), st.integers(-5, 10**13).map(float))
moments_ms = st.integers(0, 4_102_444_800_000)
quantities = st.one_of(
    st.sampled_from([None, "rate", "p50", "p99", "p99.9", "count", "total", "share:de", "share:"]),
    awkward.map(lambda text: f"share:{text}"),
)
slices = st.lists(st.builds(Slice, field=awkward, value=awkward, observed=st.floats()), max_size=6).map(tuple)

shares = st.floats(0, 1)
coverages = st.builds(Coverage, share=shares, before=st.one_of(st.none(), shares), withheld=shares)
budgets = st.builds(
    Budget,
    target=st.floats(0.001, 0.999999),
    over_ms=st.integers(1, 10**10),
    left=st.floats(allow_nan=False, allow_infinity=False),
    below=st.one_of(st.none(), st.floats()),
)

any_facts = st.builds(
    Facts,
    env=awkward,
    rule=awkward,
    severity=st.sampled_from(["info", "warning", "critical"]),
    stream=awkward,
    kind=st.sampled_from(
        ["rate", "distribution", "category", "traffic", "objective", "absent", "window", "internal"]
    ),
    onset_ms=moments_ms,
    detected_ms=moments_ms,
    labels=st.dictionaries(awkward, awkward, max_size=6),
    signal=st.one_of(st.none(), st.sampled_from([s.name for s in SIGNALS]), awkward),
    quantity=quantities,
    side=st.sampled_from(["up", "down"]),
    unit=st.one_of(st.none(), st.sampled_from([s.unit for s in SIGNALS]), awkward),
    observed=numbers,
    reference=numbers,
    at_least=numbers,
    tolerance=st.one_of(st.none(), awkward),
    window_ms=st.one_of(st.none(), st.integers(0, 10**9)),
    affected=st.one_of(st.none(), st.integers(0, 10**15)),
    total=st.one_of(st.none(), st.integers(0, 10**15)),
    guaranteed=st.booleans(),
    provisional=st.booleans(),
    median_unchanged=st.booleans(),
    reference_id=st.one_of(st.none(), st.integers(0, 10**9)),
    reference_n=st.one_of(st.none(), st.integers(0, 10**12)),
    reference_from_ms=st.one_of(st.none(), moments_ms),
    reference_until_ms=st.one_of(st.none(), moments_ms),
    version=st.one_of(st.none(), awkward),
    version_seen_ms=st.one_of(st.none(), moments_ms),
    slices=slices,
    users=st.one_of(st.none(), st.integers(0, 2**32)),
    users_exact=st.booleans(),
    coverage=st.one_of(st.none(), coverages),
    traces=st.lists(awkward, max_size=6).map(tuple),
    kill_switch=st.one_of(st.none(), awkward),
    historical=st.booleans(),
    runbook=st.one_of(st.none(), awkward, awkward.map(lambda text: f"https://wiki/{text}")),
    title=st.one_of(st.none(), awkward),
    detail=st.one_of(st.none(), awkward),
    budget=st.one_of(st.none(), budgets),
)

any_kill = st.builds(
    KillFacts,
    switch=awkward,
    state=st.sampled_from(["tripped", "confirmed", "unconfirmed", "expired", "held_by_guard", "released"]),
    mode=st.sampled_from(["disable", "degrade", "rollback"]),
    sequence=st.integers(0, 2**53),
    actor=awkward,
    at_ms=moments_ms,
    target=st.one_of(st.none(), awkward),
    confirmed_ms=st.one_of(st.none(), moments_ms),
    response=st.one_of(st.none(), awkward),
    attempts=st.integers(0, 1000),
    reason=awkward,
)

any_message = st.one_of(
    st.tuples(
        st.sampled_from(["opened", "escalated", "acknowledged", "resolved"]),
        st.builds(
            payload_of,
            any_facts,
            acknowledged_by=st.one_of(st.none(), awkward),
            state=st.sampled_from(["firing", "resolved", "expired"]),
            switch_state=st.sampled_from([None, "tripped", "released"]),
        ),
    ),
    st.tuples(st.sampled_from(["tripped", "released"]), st.builds(kill_payload, any_facts, any_kill)),
    st.tuples(
        st.sampled_from(["tripped", "released"]),
        any_kill.map(lambda kill: {"kill": stored_facts(kill), "switch": SWITCH}),
    ),
)
