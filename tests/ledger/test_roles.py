"""The SQL of docs/postgres.md, run as it stands: three roles, none of which can do more than it has to."""

import json
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from kafka import KafkaProducer
from sqlalchemy import Engine, make_url, text
from sqlalchemy.exc import ProgrammingError

from monitor.errors import LedgerDenied
from monitor.ledger.admission import Admission
from monitor.ledger.engine import connect
from monitor.ledger.migrate import check_schema, upgrade
from monitor.ledger.places import LedgerIds
from monitor.ledger.tables import drop_old, ensure_pane_days, ensure_partitions

DOCS = Path(__file__).parents[2] / "docs" / "postgres.md"
ROLES = ("tocsin_run", "tocsin_migrate", "tocsin_read")
MEDIAN = "SELECT tocsin.quantile('m', 'latency_ms', 0.5, now() - interval '1d', now())"

ALERTS = """
name: test
source: {{bootstrap_servers: "localhost:9092", topic: t, start: earliest}}
store: {{url: "{url}"}}
http: {{port: 0}}
rules:
  - {{name: outage, signal: error, window: 5s, above: 50%, min_n: 20}}
receivers: {{default: {{slack: {{url: "http://127.0.0.1:9/"}}}}}}
kill_switches:
  chat: {{webhook: {{url: "http://127.0.0.1:9/", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}}}}
"""
TOLD = """
SELECT rule FROM tocsin.incidents JOIN tocsin.deliveries USING (incident_id) WHERE attempts > 0 ORDER BY rule
"""


class Roles:
    """Documented roles under names of the test's own, since roles belong to the whole server."""

    def __init__(self, url: str) -> None:
        self.suffix = uuid.uuid4().hex[:8]
        self.url = url
        self.engines: dict[str, Engine] = {"admin": connect(url)}

    def sql(self, part: int) -> str:
        block = re.findall(r"```sql\n(.*?)```", DOCS.read_text(), re.DOTALL)[part]
        return re.sub(r"\btocsin_(run|migrate|read)\b", rf"tocsin_\1_{self.suffix}", block)

    def run(self, role: str, part: int) -> None:
        with self.engine(role).begin() as connection:
            connection.exec_driver_sql(self.sql(part), execution_options={"no_parameters": True})

    def address(self, role: str) -> str:
        return make_url(self.url).set(username=f"{role}_{self.suffix}").render_as_string(hide_password=False)

    def engine(self, role: str) -> Engine:
        if role not in self.engines:
            self.engines[role] = connect(self.address(role))
        return self.engines[role]

    def set_passwords(self) -> None:
        password = make_url(self.url).password
        with self.engine("admin").begin() as connection:
            for role in ROLES:
                connection.exec_driver_sql(f"ALTER ROLE {role}_{self.suffix} PASSWORD '{password}'")

    def drop(self) -> None:
        for role in ROLES:
            self.engine(role).dispose()
        for role in ("tocsin_migrate", "tocsin_run", "tocsin_read"):
            with self.engine("admin").begin() as connection:
                connection.exec_driver_sql(f"DROP OWNED BY {role}_{self.suffix} CASCADE")
                connection.exec_driver_sql(f"DROP ROLE {role}_{self.suffix}")
        self.engine("admin").dispose()


@pytest.fixture
def fresh_roles(database_url: str) -> Iterator[Roles]:
    roles = Roles(database_url)
    roles.run("admin", 0)
    roles.set_passwords()
    yield roles
    roles.drop()


@pytest.fixture
def roles(fresh_roles: Roles) -> Roles:
    upgrade(fresh_roles.address("tocsin_migrate"))
    fresh_roles.run("tocsin_migrate", 1)
    return fresh_roles


def test_the_running_role_writes_rows_and_makes_and_drops_partitions(roles):
    engine = roles.engine("tocsin_run")
    with engine.begin() as connection:
        check_schema(connection)
    assert Admission(LedgerIds(engine), maximum=9).streams([("m", {"model": "m"})]) == [1]
    ensure_partitions(engine)
    ensure_pane_days(engine, [10_000])
    assert drop_old(engine) == ["pane_10s_19970519"]
    roles.run("tocsin_migrate", 1)
    upgrade(roles.address("tocsin_migrate"))
    assert "sample" in " ".join(drop_old(engine, keep_samples=-timedelta(days=3)))


def test_the_running_role_cannot_change_the_schema(roles):
    for statement in (
        "ALTER TABLE tocsin_ledger.incident ADD x int",
        "DROP VIEW tocsin.incidents",
        "CREATE TABLE tocsin.x ()",
    ):
        with pytest.raises(ProgrammingError, match=r"must be owner|permission denied"):
            execute(roles.engine("tocsin_run"), statement)


def test_the_reading_role_reads_every_view_and_nothing_else(roles):
    reader = roles.engine("tocsin_read")
    views = execute(reader, "SELECT viewname FROM pg_views WHERE schemaname = 'tocsin'")
    assert len(views) >= 22
    for (view,) in views:
        execute(reader, f"SELECT * FROM tocsin.{view}")
    assert execute(reader, MEDIAN) == [(None,)]
    for statement in (
        "SELECT * FROM tocsin_ledger.stream",
        "DELETE FROM tocsin.streams",
        "CREATE TABLE tocsin.x ()",
    ):
        with pytest.raises(ProgrammingError, match="permission denied"):
            execute(reader, statement)


def test_the_reading_role_computes_percentiles_though_it_cannot_see_the_panes(roles):
    Admission(LedgerIds(roles.engine("tocsin_run")), maximum=9).streams([("m", {"model": "m"})])
    execute(
        roles.engine("tocsin_run"),
        "INSERT INTO tocsin_ledger.pane "
        "SELECT 1, 38, 0, t, t, 1, 1, '{0}', '{1}' FROM date_trunc('day', now()) AS t",
    )
    reader = roles.engine("tocsin_read")
    assert execute(reader, "SELECT n, p50 FROM tocsin.quantiles") == [(1, pytest.approx(0.99))]
    assert execute(reader, MEDIAN) == [(pytest.approx(0.99),)]


def test_texts_can_be_kept_from_readers(roles):
    roles.run("tocsin_migrate", 2)
    with pytest.raises(ProgrammingError, match="permission denied"):
        execute(roles.engine("tocsin_read"), "SELECT * FROM tocsin.samples")


def command(roles: Roles, role: str, folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    alerts = folder / f"{role}.yaml"
    alerts.write_text(ALERTS.format(url=roles.address(role)))
    return subprocess.run(
        [sys.executable, "-m", "monitor.cli", *arguments, "-c", str(alerts)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "arguments", [("run",), ("status",), ("kill", "trip", "chat", "--reason", "x"), ("db", "upgrade")]
)
def test_what_the_reading_role_may_not_do_is_one_sentence_that_names_role_and_remedy(
    roles, tmp_path, arguments
):
    done = command(roles, "tocsin_read", tmp_path, *arguments)
    assert done.returncode == 3
    *_, said = done.stderr.splitlines()
    assert re.match(
        rf"tocsin: Postgres at 127.0.0.1:\d+/\w+ denies that to tocsin_read_{roles.suffix} "
        r"\(permission denied for schema tocsin_ledger\): `tocsin db upgrade` needs the role that migrates, ",
        said,
    )
    assert "Traceback" not in done.stderr


def test_an_upgrade_by_the_running_role_is_refused_in_the_same_way_and_leaves_nothing(fresh_roles):
    denied = (
        r"denies that to tocsin_run_\w+ \(permission denied for schema tocsin\): `tocsin db upgrade` needs"
    )
    with pytest.raises(LedgerDenied, match=denied):
        upgrade(fresh_roles.address("tocsin_run"))
    left = "SELECT relname FROM pg_class WHERE relnamespace = 'tocsin_ledger'::regnamespace"
    assert execute(fresh_roles.engine("admin"), left) == []


def test_a_daemon_of_the_running_role_counts_judges_and_tells_and_is_denied_nothing(
    roles, kafka, topic, tmp_path
):
    named, alerts, log = topic(), tmp_path / "alerts.yaml", tmp_path / "log"
    alerts.write_text(
        ALERTS.replace("localhost:9092", kafka.bootstrap_servers)
        .replace("topic: t,", f"topic: {named},")
        .format(url=roles.address("tocsin_run"))
    )
    with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)) as producer:
        for number in range(300):
            producer.send(named, json.dumps({"model": "chat", "id": str(number), "status": "error"}).encode())
        producer.flush()
    reader = roles.engine("tocsin_read")
    with log.open("wb") as output, subprocess.Popen(
        [sys.executable, "-m", "monitor.cli", "run", "-c", str(alerts)], stderr=output
    ) as running:  # fmt: skip
        deadline = time.monotonic() + 60
        while not execute(reader, TOLD) and time.monotonic() < deadline:
            time.sleep(0.1)
        running.terminate()
        assert running.wait(20) == 0
    assert execute(reader, "SELECT sum(n) FROM tocsin.panes") == [(300,)]
    assert execute(reader, TOLD) == [("outage",)]
    assert not re.search("denied|must be owner|chore_failed|Traceback", log.read_text())


def execute(engine: Engine, statement: str) -> list[tuple[object, ...]]:
    with engine.begin() as connection:
        result = connection.execute(text(statement))
        return [tuple(row) for row in result] if result.returns_rows else []
