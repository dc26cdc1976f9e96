"""What follows an attempt, in one transaction: the row, the timeline, the switch, an alert where it failed.

Whatever is about a switch begins with `lock_switches`, as trip and release do, so that they cannot deadlock.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, func, null, select
from structlog import get_logger

from monitor.config.model import Config
from monitor.errors import DeliveryError
from monitor.killswitch.states import confirm, is_confirmed
from monitor.ledger.announcements import resolve_internal
from monitor.ledger.facts import KillState
from monitor.ledger.incidents import note
from monitor.ledger.moments import millis
from monitor.ledger.outbox import KILL, OF_SWITCH, TOPIC, lock_switches
from monitor.ledger.wording import clip
from monitor.notify import repeats
from monitor.notify.backoff import Backoff
from monitor.notify.delivery import Delivery, Taken, delivery_of
from monitor.notify.failing import RULE, alert_of_failure
from monitor.notify.kill_news import tell
from monitor.notify.lanes import next_attempt, pause, record, send_newest_again

_log = get_logger("tocsin.notify")
_WORDS = 500
_NEWS: Final[Mapping[str, KillState]] = {"tripped": "confirmed", "probing": "probing", "released": "released"}
REPEAT_WITHIN_S: Final = 60.0


def delivered(conn: Connection, config: Config, sent: Delivery, taken: Taken) -> str:
    """Record that the receiver took it; returns the result for logs and metrics."""
    response, pause_between = taken.response, repeats.every(config.receivers.get(sent.receiver))
    if sent.repeats and pause_between is not None:
        return _repeated(conn, sent, response, pause_between)
    if sent.kind in OF_SWITCH:
        lock_switches(conn)
    values = {
        "state": "delivered",
        "delivered_at": func.clock_timestamp(),
        "response": response,
        "last_error": None,
        "receipt": dict(taken.receipt) or null(),
    }
    if not record(conn, sent, values):
        return _lost(conn, sent)
    if sent.kind != KILL and pause_between is not None:
        repeats.follow(conn, sent, pause_between)
    if sent.incident_id is not None:
        note(conn, sent.incident_id, "delivered", f"{sent.event} to {sent.receiver} ({response})")
    if sent.kind == KILL and confirm(conn, sent.receiver, int(sent.payload["sequence"])):
        tell(conn, config, sent, _NEWS[sent.event], response)
    if _by_topic_alone(config, sent):
        tell(conn, config, sent, "published" if sent.event == "tripped" else _NEWS[sent.event], response)
    resolve_internal(conn, rule=RULE, key=_subject(sent), detail=f"took a message again: {response}")
    return "delivered"


def refused(conn: Connection, config: Config, sent: Delivery, error: DeliveryError, backoff: Backoff) -> str:
    """Record an attempt in vain: the next one after a wait, or the end; returns the result."""
    if sent.repeats:
        return _not_repeated(conn, config, sent, error, backoff)
    if sent.kind in OF_SWITCH:
        lock_switches(conn)
    words = {"response": error.response or None, "last_error": clip(str(error), _WORDS)}
    if error.permanent or backoff.gives_up(sent.age_ms):
        return _given_up(conn, config, sent, error, words)
    delay_s = backoff.delay_s(sent.attempts, error.retry_after_s)
    if not record(conn, sent, words | {"next_attempt_at": next_attempt(delay_s)}):
        return _lost(conn, sent)
    if error.retry_after_s and sent.kind != KILL:
        pause(conn, sent.receiver, delay_s)
    if backoff.warns(sent.attempts, sent.age_ms):
        _warn(conn, config, sent, error)
    return "retried"


def _repeated(conn: Connection, sent: Delivery, response: str, pause_between: timedelta) -> str:
    if not repeats.record(conn, sent, pause_between, taken=True):
        return _lost(conn, sent)
    if sent.attempts > 1:
        resolve_internal(conn, rule=RULE, key=_subject(sent), detail=f"took a message again: {response}")
    return "repeated"


def _not_repeated(
    conn: Connection, config: Config, sent: Delivery, error: DeliveryError, backoff: Backoff
) -> str:
    """Try again after a wait, however the error is called: the alert would end there while it fires here."""
    delay_s = backoff.delay_s(sent.attempts, error.retry_after_s)
    if not repeats.record(conn, sent, timedelta(seconds=min(delay_s, REPEAT_WITHIN_S)), taken=False):
        return _lost(conn, sent)
    if error.permanent or backoff.warns(sent.attempts, sent.age_ms):
        alert_of_failure(conn, config, sent, f"still trying, {error}", _subject(sent))
    return "retried"


def expired(conn: Connection, config: Config, row: Row[Any]) -> None:
    """Announce a trip that was too late to be sent (rule 5), or a receiver that took no change in time."""
    at = conn.execute(select(func.clock_timestamp())).scalar_one()
    late = delivery_of(row, millis(at))
    words = str(row.last_error or "never tried in time")
    if late.kind != KILL:
        alert_of_failure(conn, config, late, f"expired, {words}", _subject(late))
        return
    if is_confirmed(conn, late.receiver, int(late.payload["sequence"])):
        return
    if late.incident_id is not None:
        note(conn, late.incident_id, "delivery_expired", f"{late.event} to {late.receiver}: {words}")
    tell(conn, config, late, "expired", words)
    alert_of_failure(conn, config, late, f"expired, {words}", _subject(late))


def _given_up(
    conn: Connection, config: Config, sent: Delivery, error: DeliveryError, words: dict[str, Any]
) -> str:
    if not record(conn, sent, words | {"state": "failed"}):
        return _lost(conn, sent)
    if sent.incident_id is not None:
        note(conn, sent.incident_id, "delivery_failed", f"{sent.event} to {sent.receiver}: {error}")
    if sent.kind == KILL:
        tell(conn, config, sent, "expired", str(error))
    alert_of_failure(conn, config, sent, f"given up, {error}", _subject(sent))
    return "failed"


def _warn(conn: Connection, config: Config, sent: Delivery, error: DeliveryError) -> None:
    if sent.event == "tripped" and (sent.kind == KILL or _by_topic_alone(config, sent)):
        tell(conn, config, sent, "unconfirmed", str(error))
    alert_of_failure(conn, config, sent, f"still trying, {error}", _subject(sent))


def _lost(conn: Connection, sent: Delivery) -> str:
    again = send_newest_again(conn, sent)
    _log.warning(
        "claim was lost during the attempt", delivery=sent.delivery_id, lane=sent.lane, sent_again=again
    )
    return "claim_lost"


def _subject(sent: Delivery) -> str:
    return f"switch {sent.receiver}" if sent.kind in OF_SWITCH else sent.receiver


def _by_topic_alone(config: Config, sent: Delivery) -> bool:
    """Whether `sent` is a change that nothing but a topic carries: there is no webhook that could confirm it."""
    switch = config.kill_switches.get(str(sent.payload.get("switch"))) if sent.kind == TOPIC else None
    return switch is not None and switch.url is None
