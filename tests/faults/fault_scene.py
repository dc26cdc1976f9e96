"""The rooms of one replica in the test's own process, on real servers, so that a test can hold one at any step."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from fault_account import Account, Layer
from fault_decisions import HOOK_PATH, Ledger, lost_decisions
from fault_load import Sort, record, value
from fault_site import ALERTS, SECRET
from fault_story import KILL_PATH, KILLED, SWITCH
from fault_truth import Truth, truth_in
from kafka import KafkaAdminClient, KafkaProducer
from sqlalchemy import Engine, text

from monitor.config.loading import load
from monitor.config.model import Config
from monitor.errors import LeaseLost
from monitor.ingest import Ingest
from monitor.judge.session import Session
from monitor.ledger.engine import connect
from monitor.local.feed import now_ms
from monitor.local.kafka import KafkaServer
from monitor.local.receiver import Receiver
from monitor.notify.worker import Notifier

SEED: Final = 5
WITHIN_S: Final = 30.0
JUDGED_S: Final = 3.0
_BEHIND: Final = "SELECT count(*) FROM tocsin.progress WHERE judged_offset IS DISTINCT FROM next_offset"


class Hold:
    """Lets the first thread that comes wait before its work until it is let go, as if its process stood still."""

    def __init__(self) -> None:
        self._taken = threading.Lock()
        self._there, self._free, self._over = threading.Event(), threading.Event(), threading.Event()

    def before(self, work: Callable[..., Any]) -> Callable[..., Any]:
        """The work, for whose first caller time stands still."""

        def held(*args: Any, **options: Any) -> Any:
            if not self._taken.acquire(blocking=False):
                return work(*args, **options)
            self._there.set()
            self._free.wait(WITHIN_S)
            try:
                return work(*args, **options)
            finally:
                self._over.set()

        return held

    def reached(self) -> None:
        """Return when somebody waits."""
        assert self._there.wait(WITHIN_S), "nobody came to the step"

    def let_go(self) -> None:
        """Let the work be done, late as it is."""
        self._free.set()
        assert self._over.wait(WITHIN_S), "the work does not end"


class Scene:
    """A topic, a ledger and a receiver; numbered records as the harness writes them, accounted for as it does."""

    def __init__(self, kafka: KafkaServer, topic: str, url: str, receiver: Receiver, folder: Path) -> None:
        self._servers, self._topic, self._receiver = kafka.bootstrap_servers, topic, receiver
        self.url = url
        self.engine: Engine = connect(url)
        self.config = self._config(folder / "alerts.yaml")
        numbered = (record(SEED, number) for number in itertools.count())
        self._plain = (one for one in numbered if one.sort is Sort.PLAIN)
        self._acked = bytearray()

    def _config(self, path: Path) -> Config:
        hook, kill = self._receiver.url(HOOK_PATH), self._receiver.url(KILL_PATH)
        named = {"servers": self._servers, "topic": self._topic, "url": self.url, "hook": hook, "kill": kill}
        path.touch(mode=0o600)
        path.write_text(ALERTS.format(port=9844, killed=KILLED, switch=SWITCH, secret=SECRET, **named))
        return load(path, environ={})

    def produce(self, n: int, partition: int = 0, at_ms: int | None = None, *, fails: bool = False) -> None:
        """The next `n` plain records, in one batch; their producer's clock says `at_ms` throughout.

        `fails` says whether all requests of the model behind the kill switch do.
        """
        at_ms = now_ms() if at_ms is None else at_ms
        with closing(KafkaProducer(bootstrap_servers=self._servers, linger_ms=5)) as producer:
            for one in itertools.islice(self._plain, n):
                body, key = value(one, at_ms, fails=fails and one.model == KILLED), b"%d" % one.number
                producer.send(self._topic, body, key, partition=partition, timestamp_ms=at_ms)
                self._acked.extend(bytes(one.number - len(self._acked)) + b"\1")
            producer.flush()

    @contextmanager
    def ingesting(self) -> Iterator[Ingest]:
        """An ingest that is cut off at the end of the block: what it has in memory is lost."""
        engine = connect(self.url)
        ingest = Ingest(
            self.config,
            engine,
            clock=now_ms,
            instance=None,
            accept_new_topic=False,
            on_checkpoint=lambda: None,
        )
        ingest.start()
        try:
            yield ingest
        finally:
            ingest.stop(time.monotonic())
            engine.dispose()

    def counted(self, n: int) -> None:
        """Wait until so many records are counted or skipped."""
        query = "SELECT coalesce(sum(counted + skipped), 0) FROM tocsin.progress"
        self.until(lambda: self.one(query) >= n)

    def until_read(self) -> None:
        """Wait until all that was produced is counted or skipped."""
        self.counted(sum(self._acked))

    def until_told(self) -> None:
        """Wait until no message waits any more."""
        self.until(lambda: not self.one("SELECT count(*) FROM tocsin.deliveries WHERE state = 'pending'"))

    def until_judged(self) -> None:
        """Wait until rows tell all that was counted."""
        self.until_read()
        self.until(lambda: not self.one(_BEHIND))

    def feed(self, n: int, at_ms: int | None = None) -> None:
        """Produce `n` records for an ingest that runs, and wait until it has counted them."""
        self.produce(n, at_ms=at_ms)
        self.until_read()

    def add_partition(self) -> None:
        with closing(KafkaAdminClient(bootstrap_servers=self._servers)) as admin:
            admin.create_partitions({self._topic: 2})

    def until(self, condition: Callable[[], object]) -> None:
        until = time.monotonic() + WITHIN_S
        while not condition():
            assert time.monotonic() < until, f"not so within {WITHIN_S:.0f} s"
            time.sleep(0.05)

    def one(self, query: str) -> int:
        with self.engine.begin() as conn:
            return int(conn.execute(text(query)).scalar_one())

    def cut_off(self) -> None:
        """End every connection that is in the middle of a transaction, as when its process dies."""
        self.one("""
            SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
            WHERE datname = current_database() AND state = 'idle in transaction' AND pid <> pg_backend_pid()
        """)

    def session(self) -> Session:
        return Session(self.config, self.engine, uuid4())

    def expire_lease(self) -> None:
        with self.engine.begin() as conn:
            conn.execute(text("UPDATE tocsin_ledger.judge_lease SET expires_at = '-infinity'"))

    def tick(self, judge: Session, times: int = 3) -> None:
        """Judge as the daemon does: what was lost with the lease is dropped."""
        for _ in range(times):
            try:
                judge.tick()
            except LeaseLost:
                judge.drop()

    def judged(self, judge: Session) -> None:
        """Let `judge` lead, and judge all there is until rows tell it."""
        self.tick(judge)
        if not judge.leads:
            self.expire_lease()
        until = time.monotonic() + JUDGED_S
        while self.one(_BEHIND) and time.monotonic() < until:
            self.tick(judge, times=1)
            time.sleep(0.05)

    def notifier(self, lease_s: float) -> Notifier:
        return Notifier(self.engine, self.config, poll_s=0.05, lease_s=lease_s)

    def truth(self) -> Truth:
        return truth_in(self._servers, self._topic, SEED, {})

    def account(self) -> list[Layer]:
        """The layers that do not agree."""
        layers = Account(self.engine, self.truth(), self._acked).layers()
        return [one for one in layers if one.lost or one.twice or one.told]

    def lost(self) -> list[str]:
        """What is wrong with the decisions."""
        return lost_decisions(Ledger.read(self.engine), self._receiver.received, (), ())
