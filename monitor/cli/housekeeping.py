"""Keeping the ledger small: roll-ups, tables that are done with, and the budget that `store.max_size` sets."""

import time
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import Engine

from monitor.config.model import Config
from monitor.judge import store
from monitor.ledger import announcements, rolling, room, tables
from monitor.ledger.admission import retire_unseen

STORE_FULL: Final = "tocsin.store_full"
KEY: Final = "ledger"

log = structlog.get_logger("tocsin")


def tidy(engine: Engine, config: Config, now_ms: int) -> None:
    """Make old panes coarser, drop what is kept no longer, stay within the budget, let unseen streams go."""
    with engine.begin() as conn:
        closed_ms = store.closed_ms(conn)
    if closed_ms is not None:
        _roll_up(engine, min(closed_ms, now_ms))
    tables.drop_old(engine, now_ms, keep_samples=timedelta(milliseconds=config.samples.retain_ms))
    if config.store_max_bytes is not None and closed_ms is not None:
        _keep_within(engine, config, config.store_max_bytes, min(closed_ms, now_ms))
    retire_unseen(engine, config.streams.retire_after_ms)


def _roll_up(engine: Engine, closed_ms: int) -> None:
    began = time.monotonic()
    made = rolling.roll_up(engine, closed_ms)
    if made:
        log.info("made old panes coarser", rows=made, seconds=round(time.monotonic() - began, 1))


def _keep_within(engine: Engine, config: Config, most: int, closed_ms: int) -> None:
    gone = room.make_room(engine, most, closed_ms)
    stored = room.stored_bytes(engine)
    if gone or stored > most:
        _tell(engine, config, most, stored, gone, closed_ms)
    elif stored <= room.ENOUGH * most:
        with engine.begin() as conn:
            announcements.resolve_internal(
                conn, rule=STORE_FULL, key=KEY, detail=f"it has {_shown(stored)} now"
            )


def _tell(engine: Engine, config: Config, most: int, stored: int, gone: list[str], at_ms: int) -> None:
    what = f"Removed: {'; '.join(gone)}." if gone else "Nothing is left that may go."
    log.warning("the ledger has reached store.max_size", stored=_shown(stored), gone=gone)
    with engine.begin() as conn:
        announcements.open_internal(
            conn,
            config,
            rule=STORE_FULL,
            key=KEY,
            summary=f"The ledger has reached store.max_size ({_shown(most)})",
            detail=f"{what} It has {_shown(stored)} now. Raise max_size, watch fewer streams or slices, or keep fewer "
            "samples.",
            at_ms=at_ms,
            severity="warning",
        )


def _shown(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
