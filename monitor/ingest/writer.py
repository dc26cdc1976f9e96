"""The thread that talks to Postgres, so that the one that polls never waits for it."""

import queue
import threading
from collections.abc import Callable
from typing import Any, Final

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from tenacity import RetryCallState, Retrying, retry_if_exception, sleep_using_event, wait_random_exponential

from monitor.errors import LedgerUnavailable, TocsinError
from monitor.ledger.engine import explained, retryable

log = structlog.get_logger(__name__)

LONGEST_WAIT_S: Final = 2.0


class Ticket:
    """One piece of work in the writer's hands; what was cancelled is not begun or tried again."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class _CancelledError(TocsinError):
    pass


Answer = Callable[[Any, Exception | None], None]


class Writer:
    """Runs work in order on a thread of its own, again and again while the ledger cannot be reached.

    Answers wait until `deliver` is called, on the caller's thread. `state` gets None when the ledger answers
    and one sentence when it does not.
    """

    def __init__(self, engine: Engine, state: Callable[[str | None], None]) -> None:
        self._engine = engine
        self._state = state
        self._work: queue.SimpleQueue[tuple[Callable[[], Any], Answer, Ticket] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Answer, Any, Exception | None]] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._away = False
        self._thread = threading.Thread(target=self._run, name="tocsin-ingest-writer", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[], Any], then: Answer) -> Ticket:
        """Do `work`, then `then(result, None)`, or `then(None, error)` for what trying again cannot help."""
        ticket = Ticket()
        self._work.put((work, then, ticket))
        return ticket

    def deliver(self, wait_s: float = 0.0) -> None:
        """Call `then` of all work done so far; wait up to `wait_s` for the first."""
        while True:
            try:
                then, result, error = (
                    self._answers.get(timeout=wait_s) if wait_s else self._answers.get_nowait()
                )
            except queue.Empty:
                return
            wait_s = 0.0
            then(result, error)

    def stop(self, timeout_s: float) -> None:
        """Give up what is not done, and wait for the thread to end."""
        self._stopping.set()
        self._work.put(None)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while (item := self._work.get()) is not None:
            work, then, ticket = item
            result, error = self._outcome(work, ticket)
            if not isinstance(error, _CancelledError):
                self._answers.put((then, result, error))

    def _outcome(self, work: Callable[[], Any], ticket: Ticket) -> tuple[Any, Exception | None]:
        try:
            return self._retrying()(self._attempt, work, ticket), None
        except Exception as error:
            return None, error

    def _retrying(self) -> Retrying:
        return Retrying(
            wait=wait_random_exponential(multiplier=0.1, max=LONGEST_WAIT_S),
            retry=retry_if_exception(lambda error: isinstance(error, LedgerUnavailable)),
            before_sleep=self._note_absence,
            sleep=sleep_using_event(self._stopping),
            reraise=True,
        )

    def _attempt(self, work: Callable[[], Any], ticket: Ticket) -> Any:
        if ticket.cancelled or self._stopping.is_set():
            raise _CancelledError
        try:
            result = work()
        except SQLAlchemyError as error:
            raise self._translated(error) from error
        self._note_presence()
        return result

    def _translated(self, error: SQLAlchemyError) -> Exception:
        return explained(self._engine.url, error) if retryable(error) else error

    def _note_absence(self, attempt: RetryCallState) -> None:
        reason = str(attempt.outcome.exception()) if attempt.outcome else ""
        self._state(reason)
        if not self._away:
            log.warning("ledger unreachable, trying on quietly", why=reason)
        self._away = True

    def _note_presence(self) -> None:
        self._state(None)
        if self._away:
            log.info("ledger is back")
        self._away = False
