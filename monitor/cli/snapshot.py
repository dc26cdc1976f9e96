"""What `/healthz`, `/readyz` and `/metrics` show, gathered from the daemon's parts and the ledger."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import SQLAlchemyError

from monitor.config.model import Config, SwitchKey
from monitor.ingest.service import Ingest
from monitor.judge.loop import Judge
from monitor.killswitch.states import SwitchState, state
from monitor.ledger.outbox import oldest_pending_s
from monitor.web.fresh import Fresh
from monitor.web.status import Status

FRESH_S: Final = 2.0
UNREAD_S: Final = 5.0
"""A ledger that could not be read for so long is missing, whatever connections say of themselves."""

_INCIDENTS: Final = text("SELECT severity, state, count(*) FROM tocsin_ledger.incident GROUP BY 1, 2")
# Of a topic that was made anew only the newest life counts; topics of labels move no watermark.
_WATERMARK: Final = text("""
    SELECT extract(epoch FROM clock_timestamp()) - min(watermark_ms) / 1000.0
    FROM tocsin_ledger.judge_cursor WHERE topic_id IN (
        SELECT DISTINCT ON (topic) topic_id FROM tocsin_ledger.topic_partition WHERE topic = ANY(:topics)
        ORDER BY topic, listed_at DESC)
""")
_BUDGETS: Final = text("SELECT rule, stream, budget_left FROM tocsin.slos")


class Snapshot:
    """One moment of the daemon for its HTTP pages; the ledger is asked at most every two seconds.

    Nobody waits for it longer than a second: a Postgres that hangs is no reason to end a daemon that is alive.
    """

    def __init__(
        self,
        config: Config,
        engine: Engine,
        ingest: Ingest,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config, self._engine, self._ingest = config, engine, ingest
        self.judge: Judge | None = None
        self.config_good = True
        self._lock = Lock()
        self._deliveries: Counter[tuple[str, str]] = Counter()
        self._ledger_trouble: str | None = "not reached yet"
        self._fresh = Fresh(self._read, reused_s=FRESH_S)
        self._monotonic = monotonic
        self._unread_since: float | None = None

    def reload(self, config: Config) -> None:
        """Show another configuration's state; it is good."""
        self._config, self.config_good = config, True

    def delivered(self, receiver: str, result: str) -> None:
        """Count an attempt to deliver."""
        with self._lock:
            self._deliveries[receiver, result] += 1

    def ledger_ready(self) -> None:
        """Postgres answers, and its schema fits."""
        self._ledger_trouble = None

    def ledger_missing(self, why: str) -> None:
        """Postgres cannot be used, and why."""
        self._ledger_trouble = why

    def status(self) -> Status:
        """The newest status."""
        ingest = self._ingest.status()
        stored = self._from_ledger()
        lags = {(p.topic, p.partition): p.lag for p in ingest.partitions if p.lag is not None}
        with self._lock:
            deliveries = dict(self._deliveries)
        return Status(
            alive=self._alive(),
            ready=self._ready(),
            records=ingest.records,
            lag=lags,
            leader=self.judge is not None and self.judge.leads,
            deliveries=deliveries,
            fields_dropped=ingest.dropped_fields,
            labels=ingest.labels,
            config_good=self.config_good,
            **stored,
        )

    def _alive(self) -> dict[str, str | None]:
        failed = self._ingest.failure() or (self.judge.failure() if self.judge else None)
        return {"daemon": str(failed) if failed else None}

    def _ready(self) -> dict[str, str | None]:
        if self._ledger_trouble is not None:
            return {"postgres": self._ledger_trouble, "kafka": "waits for postgres"}
        ingest = self._ingest.status()
        judge = self.judge.trouble if self.judge else None
        postgres = (judge if ingest.postgres.ok else ingest.postgres.why) or self._unread()
        found = {"postgres": postgres, "kafka": None if ingest.kafka.ok else ingest.kafka.why}
        if ingest.registries:
            found["schema_registry"] = (
                "; ".join(d.why for d in ingest.registries.values() if not d.ok) or None
            )
        return found

    def _from_ledger(self) -> dict[str, Any]:
        """Nothing where it cannot be known now."""
        if self._ledger_trouble is not None:
            return {}
        try:
            found = self._fresh.get()
        except TimeoutError:
            if self._unread_since is None:
                self._unread_since = self._monotonic()
            return {}
        self._unread_since = None
        return found

    def _unread(self) -> str | None:
        since = self._unread_since
        if since is None or self._monotonic() - since < UNREAD_S:
            return None
        return "Postgres does not answer"

    def _read(self) -> dict[str, Any]:
        try:
            with self._engine.begin() as conn:
                return self._gathered(conn)
        except SQLAlchemyError:
            return {}

    def _tripped(self, states: Mapping[SwitchKey, SwitchState]) -> dict[str, bool]:
        """By switch, or by `switch/value` where it has a state for each value."""
        known = self._config.kill_switches
        serving = {name: False for name, switch in known.items() if not switch.per}
        changed = {"/".join(filter(None, key)): s.tripped for key, s in states.items() if key[0] in known}
        return serving | changed

    def _gathered(self, conn: Connection) -> dict[str, Any]:
        states = state(conn)
        leading = [topic for topic, source in self._config.topics.items() if source.type is None]
        age = conn.execute(_WATERMARK, {"topics": leading}).scalar()
        return {
            "incidents": {(severity, state): n for severity, state, n in conn.execute(_INCIDENTS)},
            "error_budgets": {(rule, stream): left for rule, stream, left in conn.execute(_BUDGETS)},
            "outbox_oldest_s": oldest_pending_s(conn),
            "tripped": self._tripped(states),
            "watermark_age_s": None if age is None else float(age),
        }
