"""The faults that befall the servers, the wires to them, and what producers write."""

import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import structlog
from fault_corruption import Corruption
from fault_deck import Fault, Kind
from fault_load import Load
from fault_site import KAFKA, TOPIC, Site
from fault_snapshot import Snapshots
from fault_transactions import Transactions
from fault_watch import Watch
from fault_wire import Manner, Wire
from kafka.errors import KafkaError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from monitor.local.server import LocalServer

MOST_PARTITIONS: Final = 10
STEPS_MS: Final = (-90_000, 45_000)

log = structlog.get_logger("faults")


class Around:
    """Everything but the replicas; `tend` keeps those alive while something here takes its time."""

    def __init__(self, site: Site, watch: Watch, load: Load, tend: Callable[[], None]) -> None:
        self._site, self._watch, self._load, self._tend = site, watch, load, tend
        self._ends_at: dict[str, tuple[float, Callable[[], None]]] = {}
        self.others: Counter[str] = Counter()
        self.corruption = Corruption(site.kafka, site.wires[KAFKA], TOPIC, load)
        self.snapshots = Snapshots(site.engine, lambda: self._happened("long query"))
        self._transactions = Transactions(site.kafka.bootstrap_servers, TOPIC, load, self._transacted)
        self._blows: dict[Kind, Callable[[Fault], None]] = {
            Kind.TERMINATE: self._terminate,
            Kind.POSTGRES: self._postgres,
            Kind.KAFKA: self._kafka,
            Kind.PARTITION: self._partition,
            Kind.WIRE: self._wire,
            Kind.TRANSACTION: lambda fault: self._transactions.begin(fault.lasts_s, commits=fault.hard),
            Kind.CLOCK: self._clock,
            Kind.CORRUPT: self._corrupt,
            Kind.SNAPSHOT: lambda fault: self.snapshots.begin(fault.lasts_s),
            Kind.DISK: self._disk,
        }

    def strike(self, fault: Fault) -> None:
        """Let it happen."""
        self._blows[fault.kind](fault)

    def tend(self) -> None:
        """End what has lasted long enough."""
        now = time.monotonic()
        for what in [what for what, (at, _) in self._ends_at.items() if at <= now]:
            self._ends_at.pop(what)[1]()

    def settle(self) -> None:
        """Everything is as it should be again."""
        for _, end in self._ends_at.values():
            end()
        self._ends_at.clear()
        self._transactions.settle()
        self.snapshots.settle()

    def _happened(self, what: str) -> None:
        self.others[what] += 1
        self._watch.strike(what)

    def _pass(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._tend()
            time.sleep(0.2)

    def _terminate(self, fault: Fault) -> None:
        # Every second connection, or all of them.
        some = "AND pid % 2 = 0" if fault.hard else ""
        query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'tocsin run' {some}"
        try:
            with self._site.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
                conn.execute(text(query)).all()
        except SQLAlchemyError as error:
            log.warning("connections could not be terminated", why=str(error).splitlines()[0])
            return
        self._happened("pg_terminate_backend")

    def _postgres(self, fault: Fault) -> None:
        self._restart(self._site.postgres, "Postgres", fault)

    def _kafka(self, fault: Fault) -> None:
        self._restart(self._site.kafka, "Kafka", fault)

    def _restart(self, server: LocalServer, name: str, fault: Fault) -> None:
        server.kill() if fault.hard else server.stop()
        self._pass(fault.lasts_s)
        server.restart()
        self._happened(f"{name} killed" if fault.hard else f"{name} restarted")

    def _partition(self, fault: Fault) -> None:
        try:
            count = self._site.add_partition(MOST_PARTITIONS)
        except KafkaError as error:
            log.warning("no partition added", why=str(error))
            return
        if count:
            self._happened("partition added")

    def _wire(self, fault: Fault) -> None:
        names = sorted(self._site.wires)
        wire = self._site.wires[names[int(fault.luck * len(names))]]
        if wire.bent:
            return
        # Every connection, or every second one.
        wire.bend(Manner(fault.step), 1 if fault.hard else 2)
        self._ends_at[wire.name] = (
            time.monotonic() + fault.lasts_s,
            lambda: self._straighten(wire, fault.step),
        )

    def _straighten(self, wire: Wire, manner: str) -> None:
        wire.bend(Manner.OPEN)
        self._happened(f"{wire.name} {manner}")

    def _transacted(self, committed: bool) -> None:
        self._happened("transaction committed" if committed else "transaction aborted")

    def _clock(self, fault: Fault) -> None:
        self._load.step_ms = STEPS_MS[fault.hard]
        self._ends_at["clock"] = (time.monotonic() + fault.lasts_s, self._clock_back)
        self._happened("clock step")

    def _clock_back(self) -> None:
        self._load.step_ms = 0
        self._happened("clock step")

    def _corrupt(self, fault: Fault) -> None:
        if self._site.wires[KAFKA].bent:
            return
        self.corruption.spoil(fault.luck, codec=fault.hard)
        self._happened("batch corrupted")

    def _disk(self, fault: Fault) -> None:
        disk, postgres = self._site.disk, self._site.postgres
        if disk is None:
            return
        disk.fill()
        try:
            self._pass(fault.lasts_s + 2.0)
        finally:
            disk.empty()
        if not postgres.pid:
            # It could not write its log either, and gave up.
            postgres.restart()
        self._happened("Postgres's disk full")
