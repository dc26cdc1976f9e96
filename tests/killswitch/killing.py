"""Incidents and trips by rule, for tests of kill switches."""

from sqlalchemy import select

from monitor.killswitch.switches import trip
from monitor.ledger.announcements import announce
from monitor.ledger.decided import delivery
from monitor.ledger.facts import Facts
from monitor.ledger.incidents import incident_row, open_incident
from monitor.ledger.outbox import Addressee

EVIDENCE_MS = 1_763_780_000_000
SLACK = Addressee("default", "slack")


def trip_by_rule(conn, switch, incident_id="k3v9q2m7ab", stream="chat-eu", **more):
    return trip(
        conn,
        switch,
        stream=stream,
        reason="96% of requests fail, was 0.4%",
        actor="rule errors",
        incident_id=incident_id,
        evidence_until_ms=EVIDENCE_MS,
        **more,
    )


def opened(conn, incident_id="k3v9q2m7ab"):
    facts = Facts(
        env="prod",
        rule="errors",
        severity="critical",
        stream="chat-eu",
        kind="rate",
        signal="error",
        quantity="rate",
        observed=0.96,
        reference=0.004,
        onset_ms=EVIDENCE_MS,
        detected_ms=EVIDENCE_MS + 12_000,
    )
    open_incident(conn, incident_row(facts, incident_id=incident_id, config_hash="c"))
    announce(conn, incident_id, "opened", [SLACK])


def hook(conn, switch="chat"):
    """What was enqueued for the switch's webhook."""
    rows = select(delivery).where(delivery.c.lane == f"switch/{switch}").order_by(delivery.c.position)
    return conn.execute(rows).all()
