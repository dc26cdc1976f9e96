"""A long query that sees one moment, while tables are made, detached and dropped under it."""

import threading
import time
from collections.abc import Callable
from typing import Final

import structlog
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from monitor.errors import TocsinError
from monitor.ledger import tables
from monitor.ledger.engine import set_local
from monitor.ledger.migrate import upgrade
from monitor.local.feed import now_ms

DAY_MS: Final = 86_400_000
PAST_DAYS: Final = 40
_SEEN: Final = text("""
    SELECT (SELECT sum(n) FROM tocsin.panes), (SELECT count(*) FROM tocsin_ledger.checkpoint),
           (SELECT count(*) FROM tocsin.deliveries)
""")

log = structlog.get_logger("faults")


class Snapshots:
    """One at a time, in a thread of its own; what it saw change is in `told`."""

    def __init__(self, engine: Engine, over: Callable[[], None]) -> None:
        self._engine, self._over = engine, over
        self._thread: threading.Thread | None = None
        self.told: list[str] = []

    def begin(self, lasts_s: float) -> None:
        """Hold one for so long; nothing happens while one is held."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._run, args=(lasts_s,), daemon=True)
            self._thread.start()

    def settle(self) -> None:
        if self._thread is not None:
            self._thread.join(60)

    def _run(self, lasts_s: float) -> None:
        try:
            with self._engine.connect().execution_options(isolation_level="REPEATABLE READ") as conn:
                self._hold(conn, lasts_s)
        except SQLAlchemyError as error:
            log.info("the long query broke off", why=str(error).splitlines()[0])
            return
        self._over()

    def _hold(self, conn: Connection, lasts_s: float) -> None:
        until = time.monotonic() + lasts_s
        with conn.begin():
            set_local(conn, {"idle_in_transaction_session_timeout": "0", "statement_timeout": "0"})
            seen = conn.execute(_SEEN).one()
            self._maintain()
            time.sleep(max(0.0, until - time.monotonic()))
            again = conn.execute(_SEEN).one()
        if again != seen:
            self.told.append(f"a snapshot saw {tuple(seen)} and then {tuple(again)}")

    def _maintain(self) -> None:
        """What migrations and retention do to the tables, with an old day to remove."""
        try:
            upgrade(self._engine.url.render_as_string(hide_password=False))
            tables.ensure_partitions(self._engine, now_ms())
            tables.ensure_pane_days(self._engine, {now_ms() // DAY_MS - PAST_DAYS})
            tables.drop_old(self._engine, now_ms())
        except (SQLAlchemyError, TocsinError) as error:
            log.info("maintenance has to be done another time", why=str(error).splitlines()[0])
