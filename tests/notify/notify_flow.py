"""A notifier at work on the outbox, and what the ledger says of it."""

import time
from contextlib import contextmanager

from incident_facts import FAILING
from notify_parties import QUICK
from sqlalchemy import select

from monitor.ledger.announcements import announce
from monitor.ledger.decided import delivery, timeline
from monitor.ledger.incidents import incident_row, open_incident
from monitor.ledger.outbox import addressees
from monitor.notify.backoff import Backoff
from monitor.notify.worker import Notifier

ID = "k3v9q2m7ab"
PATIENT = Backoff(first_s=60, most_s=60, longest_wish_s=60, give_up_s=86_400, warn_after=99, warn_after_s=9e9)
HASTY = Backoff(first_s=0.02, most_s=0.05, longest_wish_s=5, give_up_s=0.3, warn_after=99, warn_after_s=9e9)


@contextmanager
def notifying(ledger, config, **options):
    options = {"incidents": QUICK, "kills": QUICK, "poll_s": 0.05} | options
    notifier = Notifier(ledger, config, **options)
    notifier.start()
    try:
        yield notifier
    finally:
        notifier.stop(5)


def open_to(conn, config, *names, name=ID, facts=FAILING):
    open_incident(conn, incident_row(facts, incident_id=name, config_hash="c"))
    announce(conn, name, "opened", addressees(config, names))


def rows(ledger):
    with ledger.begin() as conn:
        return conn.execute(select(delivery).order_by(delivery.c.position)).all()


def until(condition, within_s=20):
    """What `condition` returns once it is true; the tests wait for nothing else."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("not in time")


def all_done(ledger):
    found = rows(ledger)
    return found if found and all(row.state != "pending" for row in found) else None


def steps(ledger, name=ID):
    with ledger.begin() as conn:
        lines = select(timeline.c.what).where(timeline.c.incident_id == name).order_by(timeline.c.timeline_id)
        return conn.execute(lines).scalars().all()


def texts(party):
    return [request.json["text"] for request in party.to("/slack")]
