"""Sends what the outbox holds, each message in a thread of its own: none waits for a slow receiver."""

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError
from structlog import get_logger
from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_exponential

from monitor import crash_points
from monitor.config.model import Config
from monitor.errors import DeliveryError
from monitor.killswitch.retiring import retire
from monitor.killswitch.topic import mirror
from monitor.ledger.engine import retryable
from monitor.ledger.outbox import KILL, OF_TOPIC
from monitor.notify import lanes, outcome, repeats
from monitor.notify.backoff import INCIDENTS, KILLS, Backoff
from monitor.notify.delivery import Delivery, Taken
from monitor.notify.orphans import Announced
from monitor.notify.senders import Senders

POLL_S: Final = 1.0
MOST_EACH: Final = 4
LOST_EVERY_S: Final = 5.0
MIRROR_EVERY: Final = timedelta(minutes=5)

_log = get_logger("tocsin.notify")


class Notifier:
    """Takes due messages out of the outbox until it is stopped, whatever the database and the receivers do.

    One thread claims, kills first; every message is sent and recorded in a thread of its own, at most
    `most_each` at a time for one receiver. `observe(receiver, result)` is called after each attempt. Any
    number of notifiers can share an outbox. Raises UsageError for a receiver that cannot be used.
    """

    def __init__(
        self,
        engine: Engine,
        config: Config,
        *,
        incidents: Backoff = INCIDENTS,
        kills: Backoff = KILLS,
        poll_s: float = POLL_S,
        most_each: int = MOST_EACH,
        lease_s: float = lanes.LEASE_S,
        mirror_every: timedelta = MIRROR_EVERY,
        observe: Callable[[str, str], None] = lambda receiver, result: None,
    ) -> None:
        self._engine, self._config, self._senders = engine, config, Senders(config)
        self._retired: list[Senders] = []
        self._incidents, self._kills = incidents, kills
        self._poll_s, self._most_each, self._lease_s = poll_s, most_each, lease_s
        self._observe = observe
        self._busy: Counter[tuple[bool, str]] = Counter()
        self._idle = threading.Condition()
        self._due = threading.Event()
        self._stopping = threading.Event()
        self._mirror_every, self._mirror_at, self._mirror_due = mirror_every, 0.0, True
        self._announced, self._lost_at = Announced(), 0.0
        self._unreachable = False
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def reload(self, config: Config) -> None:
        """Send by another configuration from now on. Raises UsageError, and nothing is changed, where it cannot be."""
        senders = Senders(config)
        self._retired.append(self._senders)
        self._config, self._senders = config, senders
        self._mirror_due = True

    def wake(self) -> None:
        """Look into the outbox now: something was committed. May be called by any thread."""
        self._due.set()

    def stop(self, deadline_s: float = 5.0) -> bool:
        """Claim nothing more and wait for what is under way; False where that took too long.

        What is still under way then is sent again when its claim ends.
        """
        until = time.monotonic() + deadline_s
        self._stopping.set()
        self._due.set()
        self._thread.join(deadline_s)
        with self._idle:
            finished = self._idle.wait_for(lambda: not self._busy.total(), max(0.0, until - time.monotonic()))
        for senders in (*self._retired, self._senders):
            senders.close()
        return finished and not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            self._due.clear()
            if self._stopping.is_set():
                return
            self._due.wait(self._turn())

    def _turn(self) -> float:
        """Claim and send what is due; the seconds until there can be more."""
        try:
            wait_s = self._claim()
        except SQLAlchemyError as error:
            if not self._unreachable:
                _log.warning("outbox unreachable, trying on quietly", error=type(error).__name__)
            self._unreachable = True
            return self._poll_s
        except Exception:
            _log.exception("outbox could not be read, trying on")
            return self._poll_s
        if self._unreachable:
            _log.info("outbox is back")
        self._unreachable = False
        return wait_s

    def _mirror(self) -> None:
        """Owe every topic the states of its switches: at the start, by a new alerts.yaml, and now and then.

        What a dead process or a slow network brought late into a topic does not stay the last word there.
        """
        due, self._mirror_due = self._mirror_due, False
        if not due and time.monotonic() < self._mirror_at:
            return
        try:
            with self._engine.begin() as conn:
                if due:
                    self._retire(conn)
                mirror(conn, self._config.kill_switches, timedelta() if due else self._mirror_every)
        except BaseException:
            self._mirror_due = due
            raise
        self._mirror_at = time.monotonic() + self._mirror_every.total_seconds()

    def _end_lost(self) -> None:
        """End incidents that receivers know of and the ledger does not any more, now and then."""
        if time.monotonic() < self._lost_at:
            return
        with self._engine.begin() as conn:
            for incident_id in self._announced.end_lost(conn):
                _log.warning("the ledger has lost an incident, its receivers are told", incident=incident_id)
        self._lost_at = time.monotonic() + LOST_EVERY_S

    def _retire(self, conn: Connection) -> None:
        """Release what nobody could any more, since its switch has another `per` than before."""
        for switch, value in retire(conn, self._config.kill_switches):
            _log.warning("kill switch retired: its per has changed", switch=switch, value=value)

    def _claim(self) -> float:
        self._mirror()
        self._end_lost()
        with self._engine.begin() as conn:
            for row in lanes.overdue(conn):
                outcome.expired(conn, self._config, row)
                self._observe(row.receiver, "expired")
        with self._engine.begin() as conn:
            with self._idle:
                busy = dict(self._busy)
            claimed = lanes.claim(conn, busy, most_each=self._most_each, lease_s=self._lease_s)
            claimed += self._repeats(conn, busy, claimed)
            next_s = lanes.next_due_s(conn)
        for delivery in claimed:
            self._dispatch(delivery)
        return self._poll_s if next_s is None else min(self._poll_s, next_s)

    def _repeats(
        self, conn: Connection, busy: Mapping[tuple[bool, str], int], claimed: Iterable[Delivery]
    ) -> list[Delivery]:
        """What has to be told again, where its receiver has room beside `busy` and `claimed`."""
        taken = Counter(_key(delivery) for delivery in claimed)
        found: list[Delivery] = []
        for name, receiver in self._config.receivers.items():
            room = self._most_each - busy.get((False, name), 0) - taken[False, name]
            if room > 0 and repeats.every(receiver) is not None:
                found += repeats.claim(conn, name, room, self._lease_s)
        return found

    def _dispatch(self, delivery: Delivery) -> None:
        with self._idle:
            self._busy[_key(delivery)] += 1
        try:
            threading.Thread(target=self._deliver, args=(delivery,), name=delivery.lane, daemon=True).start()
        except RuntimeError:
            self._done(delivery)
            raise

    def _deliver(self, delivery: Delivery) -> None:
        try:
            result = self._attempt(delivery)
            self._observe(delivery.receiver, result)
        except SQLAlchemyError as error:
            _log.warning(
                "attempt not recorded, it will be made again",
                delivery=delivery.delivery_id,
                error=type(error).__name__,
            )
        except Exception:
            _log.exception("attempt not recorded, it will be made again", delivery=delivery.delivery_id)
        finally:
            self._done(delivery)

    def _attempt(self, delivery: Delivery) -> str:
        taken, error = Taken(""), None
        crash_points.reached("notify.before_send")
        try:
            taken = self._senders.send(delivery)
            self._announced.note(delivery)
        except DeliveryError as refused:
            error = refused
        except Exception as bug:
            _log.exception("message could not be made", delivery=delivery.delivery_id)
            error = DeliveryError(f"could not be sent: {type(bug).__name__}", permanent=False)
        crash_points.reached("notify.before_record")
        result = self._record(delivery, taken, error)
        crash_points.reached("notify.after_record")
        _log.info(
            result,
            receiver=delivery.receiver,
            message=delivery.event,
            incident=delivery.incident_id,
            attempts=delivery.attempts,
            error=None if error is None else str(error),
        )
        return result

    def _record(self, delivery: Delivery, taken: Taken, error: DeliveryError | None) -> str:
        """Store what came of it, trying as long as the claim lasts."""
        patient = Retrying(
            retry=retry_if_exception(retryable),
            stop=stop_after_delay(self._lease_s),
            wait=wait_exponential(multiplier=0.1, max=2),
            reraise=True,
        )
        try:
            return patient(self._store, delivery, taken, error)
        except Exception as bug:
            if retryable(bug):
                raise
            # The result alone: a message whose consequences cannot be stored must not be sent for ever.
            _log.exception("only the result is recorded", delivery=delivery.delivery_id)
            return patient(self._store_alone, delivery, error)

    def _store(self, delivery: Delivery, taken: Taken, error: DeliveryError | None) -> str:
        with self._engine.begin() as conn:
            if error is None:
                return outcome.delivered(conn, self._config, delivery, taken)
            return outcome.refused(conn, self._config, delivery, error, self._backoff(delivery.kind))

    def _backoff(self, kind: str) -> Backoff:
        """What a topic should say is never given up: the newest state is owed to it as long as it holds."""
        if kind in OF_TOPIC:
            return replace(self._kills, give_up_s=math.inf)
        return self._kills if kind == KILL else self._incidents

    def _store_alone(self, delivery: Delivery, error: DeliveryError | None) -> str:
        result = "delivered" if error is None else "failed"
        with self._engine.begin() as conn:
            lanes.record(conn, delivery, {"state": result, "last_error": str(error) if error else None})
        return result

    def _done(self, delivery: Delivery) -> None:
        with self._idle:
            self._busy[_key(delivery)] -= 1
            self._idle.notify_all()
        self._due.set()


def _key(delivery: Delivery) -> tuple[bool, str]:
    return delivery.kind == KILL, delivery.receiver
