"""Local servers stop, crash and come back on the same port with the same data, or say why not."""

import socket
import tempfile
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from sqlalchemy import make_url

from monitor.errors import DependencyError, ServerStartFailed, UsageError
from monitor.local import ports, server
from monitor.local.cache import cache_dir
from monitor.local.extra import load_extra, locate_extra
from monitor.local.kafka import local_kafka
from monitor.local.ports import HOST
from monitor.local.postgres import local_postgres


def query(url, statement):
    with closing(
        psycopg2.connect(make_url(url).set(drivername="postgresql").render_as_string(False))
    ) as connection:
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(statement)
        return cursor.fetchall() if cursor.description else []


@pytest.fixture
def taken_port():
    with closing(socket.socket()) as listener:
        listener.bind((HOST, 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_committed_rows_survive_a_restart_and_a_crash_of_postgres_on_the_same_url(is_running):
    with local_postgres() as postgres:
        url, first = postgres.create_database("kept"), postgres.pid
        query(url, "create table mark as select 1 as n")
        postgres.restart()
        second = postgres.pid
        query(url, "insert into mark values (2)")
        postgres.kill()
        assert postgres.pid == 0
        postgres.restart()
        assert query(url, "select n from mark order by n") == [(1,), (2,)]
        assert len({first, second, postgres.pid}) == 3
        assert not is_running(first)
        assert not is_running(second)


def test_records_survive_a_restart_and_a_crash_of_kafka_on_the_same_address():
    with local_kafka(partitions_default=2) as kafka:
        address = kafka.bootstrap_servers
        admin = KafkaAdminClient(bootstrap_servers=address)
        admin.create_topics(["kept"], wait_for_metadata=True)
        admin.close()
        for number, again in enumerate([kafka.restart, kafka.kill]):
            producer = KafkaProducer(bootstrap_servers=address)
            producer.send("kept", str(number).encode(), partition=1).get(timeout=60)
            producer.close()
            again()
        assert kafka.pid == 0
        kafka.restart()
        consumer = KafkaConsumer(bootstrap_servers=address, auto_offset_reset="earliest")
        consumer.assign([TopicPartition("kept", 1)])
        values = []
        while len(values) < 2:
            values += [record.value for batch in consumer.poll(5000).values() for record in batch]
        consumer.close()
        assert (kafka.bootstrap_servers, values) == (address, [b"0", b"1"])


def test_two_local_kafkas_are_two_clusters(kafka):
    with local_kafka() as other:
        named = []
        for server in (kafka, other):
            admin = KafkaAdminClient(bootstrap_servers=server.bootstrap_servers)
            named.append(admin.describe_cluster()["cluster_id"])
            admin.close()
    assert len(set(named)) == 2


def test_data_in_a_directory_of_the_users_own_stays_for_the_next_time():
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "data"
        Path(folder).chmod(0o755)
        with local_postgres(data_dir=home) as postgres:
            query(postgres.url, "create table mark as select 42 as n")
        with local_postgres(data_dir=home) as postgres:
            assert query(postgres.url, "select n from mark") == [(42,)]


@pytest.mark.parametrize(("start", "name"), [(local_postgres, "PostgreSQL"), (local_kafka, "Kafka")])
def test_a_port_that_is_taken_is_refused_in_one_sentence(start, name, taken_port):
    with pytest.raises(ServerStartFailed) as refusal, start(port=taken_port):
        pass
    assert str(refusal.value) == (
        f"{name} cannot start on port {taken_port}: another program listens there; "
        "choose another port, or none to have a free one found"
    )
    assert isinstance(refusal.value, DependencyError)


def test_a_free_port_that_is_taken_before_the_server_listens_is_replaced(monkeypatch, taken_port):
    offered = iter([[taken_port], ports.free_ports(1)])
    monkeypatch.setattr(server, "free_ports", lambda count: next(offered))
    with local_postgres() as postgres:
        assert postgres.port != taken_port
        assert query(postgres.url, "show port") == [(str(postgres.port),)]


def test_a_server_that_dies_while_starting_is_quoted():
    wrong = {"no_such_setting": "1"}
    expected = r"starting: FATAL: .*no_such_setting"
    with pytest.raises(ServerStartFailed, match=expected), local_postgres(settings=wrong):
        pass


def test_a_wrong_property_is_quoted():
    with (
        pytest.raises(ServerStartFailed, match=r"^Kafka.*: Invalid value -3 for .* num\.partitions"),
        local_kafka(properties={"num.partitions": "-3"}),
    ):
        pass


def test_ports_are_outside_the_range_of_outgoing_connections():
    assert all(15_000 <= port < 32_768 for port in ports.free_ports(50))


def test_a_package_of_the_extra_that_is_missing_is_named_with_the_command_that_brings_it():
    for attempt in (load_extra, locate_extra):
        with pytest.raises(UsageError, match=r"package no_such_package.*pip install 'tocsin\[local\]'"):
            attempt("no_such_package")


def test_a_cache_directory_that_cannot_be_made_is_named_with_its_remedy(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TOCSIN_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(
        UsageError, match=r"file/cache cannot be used \(Not a directory\): name another.*\$TOCSIN_CACHE"
    ):
        cache_dir()
