"""All that the status page says, read in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from monitor.config.model import Config, KillSwitch
from monitor.killswitch.states import SwitchState
from monitor.ledger.budgets import Budgets, budgets
from monitor.web.board import Board
from monitor.web.pages import watched

MOST_STREAMS: Final = 30
MOST_BUDGETS: Final = 10
OWN: Final = "(tocsin)"


@dataclass(frozen=True, slots=True)
class Overview:
    """`firing` loudest and newest first; `undelivered` are messages that failed, expired, or wait too long."""

    firing: Sequence[Row[Any]]
    recent: Sequence[Row[Any]]
    streams: Sequence[watched.Stream]
    known: int
    budgets: Budgets
    deliveries: Sequence[Row[Any]]
    undelivered: Sequence[Row[Any]]
    silences: Sequence[Row[Any]]
    progress: Sequence[Row[Any]]


def overview(conn: Connection, config: Config, board: Board | None) -> Overview:
    """How everything is now."""
    firing = conn.execute(_FIRING).all()
    found = watched.streams(conn, board, (i for i in firing if i.stream != OWN), MOST_STREAMS)
    return Overview(
        firing=firing,
        recent=conn.execute(_RECENT).all(),
        streams=watched.with_signals(conn, config, found),
        known=watched.count(conn),
        budgets=budgets(conn, MOST_BUDGETS),
        deliveries=conn.execute(_DELIVERIES).all(),
        undelivered=conn.execute(_UNDELIVERED).all(),
        silences=silences(conn),
        progress=conn.execute(_PROGRESS).all(),
    )


@dataclass(frozen=True, slots=True)
class Switch:
    """A kill switch with one of its states; None stands for those that never changed."""

    of: KillSwitch
    now: SwitchState | None


def switches(board: Board) -> list[Switch]:
    """All states that there are, those that stop something first."""
    found = []
    for name, switch in board.switches.items():
        mine = [now for (owner, _), now in board.states.items() if owner == name]
        found += [Switch(switch, now) for now in mine]
        if switch.per or not mine:
            found.append(Switch(switch, None))
    return sorted(found, key=lambda s: s.now is None or s.now.serves)


def silences(conn: Connection) -> Sequence[Row[Any]]:
    """Those in force, the one that ends first in front."""
    return conn.execute(_SILENCES).all()


_FIRING: Final = text("""
    SELECT * FROM tocsin.incidents WHERE state = 'firing'
    ORDER BY array_position(ARRAY['critical', 'warning', 'info'], severity), onset_at DESC LIMIT 100
""")
_RECENT: Final = text("""
    SELECT * FROM tocsin.incidents WHERE state <> 'firing' ORDER BY opened_at DESC LIMIT 12
""")
_DELIVERIES: Final = text("""
    SELECT d.incident_id, d.kill_id, d.receiver, d.event, d.state, d.attempts, d.created_at, d.delivered_at,
           d.response, d.last_error
    FROM tocsin_ledger.delivery d ORDER BY d.position DESC LIMIT 12
""")
_UNDELIVERED: Final = text("""
    SELECT incident_id, kill_id, receiver, event, state, attempts, created_at, response, last_error
    FROM tocsin_ledger.delivery
    WHERE created_at > now() - interval '1 day'
      AND (state IN ('failed', 'expired')
           OR state = 'pending' AND (attempts > 0 OR created_at < now() - interval '30 seconds'))
    ORDER BY position DESC LIMIT 20
""")
_SILENCES: Final = text("""
    SELECT * FROM tocsin.silences WHERE expires_at > clock_timestamp() ORDER BY expires_at
""")
_PROGRESS: Final = text("""
    SELECT topic, partition, next_offset, judged_offset, counted, skipped, lag, watermark, updated_at,
           extract(epoch FROM clock_timestamp() - watermark)::float8 AS watermark_age_s
    FROM tocsin.progress ORDER BY topic, partition
""")
