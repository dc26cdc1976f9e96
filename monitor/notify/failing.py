"""The alert that a receiver does not take messages. An alert about that never produces another."""

from typing import Final

from sqlalchemy import Connection

from monitor.config.model import Config
from monitor.ledger.announcements import open_internal
from monitor.ledger.wording import clip
from monitor.notify.delivery import Delivery

RULE: Final = "tocsin.delivery_failed"

_WHERE: Final = "What waits or failed: SELECT * FROM tocsin.deliveries WHERE state <> 'delivered'"


def alert_of_failure(conn: Connection, config: Config, sent: Delivery, why: str, subject: str) -> None:
    """Open `tocsin.delivery_failed` about `subject` unless it is open or `sent` is such an alert itself.

    It goes to `defaults.notify` without the receiver that fails, unless that one is all there is.
    """
    if sent.payload.get("rule") == RULE:
        return
    others = tuple(name for name in config.default_notify if name != sent.receiver)
    about = f" of incident {sent.incident_id}" if sent.incident_id else ""
    open_internal(
        conn,
        config,
        rule=RULE,
        key=subject,
        summary=f"{subject} does not take messages: {clip(why, 160)}",
        detail=f"`{sent.event}`{about}: {_attempts(sent)} in {sent.age_ms // 1000} s. {_WHERE}",
        at_ms=sent.claimed_ms,
        receivers=others or config.default_notify,
    )


def _attempts(sent: Delivery) -> str:
    return f"{sent.attempts} attempt{'' if sent.attempts == 1 else 's'}"
