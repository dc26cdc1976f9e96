"""Reads for the pages: read-only, short, and few at a time, on threads of their own.

So that pages can never starve the probes and the flags, nor take the connections that ingest and the judge need.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from monitor.errors import LedgerUnavailable
from monitor.ledger.engine import explained, set_local

T = TypeVar("T")

AT_ONCE: Final = 3
STATEMENT_MS: Final = 3_000
WITHIN_S: Final = 5.0
_READING: Final = {
    "transaction_read_only": "on",
    "statement_timeout": str(STATEMENT_MS),
    "jit": "off",
}


class Reading:
    """At most `AT_ONCE` transactions; who waits longer than `within_s` is told that Postgres does not answer."""

    def __init__(self, engine: Engine, within_s: float = WITHIN_S) -> None:
        self._engine, self._within_s = engine, within_s
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="pages")

    async def read(self, ask: Callable[[Connection], T]) -> T:
        """What `ask` finds; raises DependencyError."""
        asked = asyncio.get_running_loop().run_in_executor(self._threads, self._in_transaction, ask)
        try:
            return await asyncio.wait_for(asked, self._within_s)
        except TimeoutError:
            raise LedgerUnavailable(f"Postgres does not answer within {self._within_s:.0f} s") from None

    def _in_transaction(self, ask: Callable[[Connection], T]) -> T:
        try:
            with self._engine.begin() as conn:
                set_local(conn, _READING)
                return ask(conn)
        except SQLAlchemyError as error:
            raise explained(self._engine.url, error) from error
