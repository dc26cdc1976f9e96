"""Every event fits the published rules of Events API v2.

PagerDuty publishes no schema as a package: the rules are stated here as types, from its documentation.
"""

from typing import Annotated, Any, Literal

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st
from incident_facts import BASE, any_message, awkward, kill_payload, killed, moments_ms, payload_of
from msgspec import Meta, Struct
from notify_parties import ROUTING_KEY
from test_formats import LONG

from monitor.ledger.facts import Facts
from monitor.ledger.moments import moment, rfc3339
from monitor.notify.pagerduty import MOST_BYTES, change, encoded, event

WORDLESS = Facts(**BASE | {"kind": "internal", "rule": " "})

Key = Annotated[str, Meta(pattern="^[A-Za-z0-9]{32}$")]
Short = Annotated[str, Meta(min_length=1, max_length=255)]
Instant = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")]


class Link(Struct, forbid_unknown_fields=True):
    href: Annotated[str, Meta(pattern="^https?://")]
    text: str = ""


class Payload(Struct, forbid_unknown_fields=True, rename={"class_": "class"}):
    summary: Annotated[str, Meta(min_length=1, max_length=1_024)]
    source: Annotated[str, Meta(min_length=1)]
    severity: Literal["critical", "error", "warning", "info"]
    timestamp: Instant | None = None
    component: Short | None = None
    group: Short | None = None
    class_: Short | None = None
    custom_details: dict[str, Any] = {}


class Trigger(Struct, forbid_unknown_fields=True, tag_field="event_action", tag="trigger"):
    routing_key: Key
    payload: Payload
    dedup_key: Short
    client: str = ""
    links: list[Link] = []


class Acknowledge(Struct, forbid_unknown_fields=True, tag_field="event_action", tag="acknowledge"):
    routing_key: Key
    dedup_key: Short


class Resolve(Struct, forbid_unknown_fields=True, tag_field="event_action", tag="resolve"):
    routing_key: Key
    dedup_key: Short


class ChangePayload(Struct, forbid_unknown_fields=True):
    summary: Annotated[str, Meta(min_length=1, max_length=1_024)]
    source: str = ""
    timestamp: Instant | None = None
    custom_details: dict[str, Any] = {}


class Change(Struct, forbid_unknown_fields=True):
    routing_key: Key
    payload: ChangePayload


@settings(max_examples=300, deadline=None)
@given(any_message)
@example(("opened", payload_of(LONG)))
@example(("tripped", kill_payload(LONG, killed(reason="&" * 5000))))
@example(("opened", payload_of(WORDLESS)))
def test_every_event_of_an_incident_fits(message):
    what, payload = message
    if "facts" not in payload:
        return
    body = encoded(event(ROUTING_KEY, payload["facts"]["env"], what, payload))
    assert len(body) <= MOST_BYTES
    msgspec.json.decode(body, type=Trigger | Acknowledge | Resolve)


@settings(max_examples=200, deadline=None)
@given(awkward, awkward, awkward, moments_ms, st.dictionaries(awkward, awkward, max_size=6))
def test_every_change_event_fits(env, stream, version, at_ms, labels):
    news = {"stream": stream, "version": version, "at": rfc3339(moment(at_ms)), "labels": labels}
    msgspec.json.decode(encoded(change(ROUTING_KEY, env, news)), type=Change)
