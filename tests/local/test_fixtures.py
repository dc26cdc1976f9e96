"""The servers of the tests serve real clients."""

import psycopg2
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from sqlalchemy import create_engine, make_url, text


def test_a_record_of_the_year_2000_is_taken_kept_and_read_back(kafka, topic):
    name = topic(partitions=3)
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    sent = producer.send(name, b"{}", partition=2, timestamp_ms=946_684_800_000).get(timeout=10)
    producer.close()
    consumer = KafkaConsumer(bootstrap_servers=kafka.bootstrap_servers, auto_offset_reset="earliest")
    consumer.assign([TopicPartition(name, partition) for partition in range(3)])
    records = [record for batch in consumer.poll(5000).values() for record in batch]
    consumer.close()
    assert [(record.partition, record.offset, record.timestamp, record.value) for record in records] == [
        (2, sent.offset, 946_684_800_000, b"{}")
    ]


def test_topics_are_never_made_by_writing_to_them(kafka):
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers, max_block_ms=1500)
    with pytest.raises(Exception, match=r"metadata|Unknown"):
        producer.send("never-made", b"x").get(timeout=5)
    producer.close()


def test_every_test_has_a_database_of_its_own(database_url):
    engine = create_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("create table mark (n int)"))
        version = connection.execute(text("show server_version_num")).scalar_one()
        encoding = connection.execute(text("show server_encoding")).scalar_one()
    engine.dispose()
    assert (int(version) // 10_000, encoding) == (18, "UTF8")


def test_a_ledger_of_the_tests_own_has_the_schema_and_no_rows(ledger_url):
    engine = create_engine(ledger_url)
    with engine.begin() as connection:
        incidents = connection.execute(text("select count(*) from tocsin.incidents")).scalar_one()
    engine.dispose()
    assert incidents == 0


def test_a_password_is_needed_even_on_this_machine(postgres):
    url = make_url(postgres.url)
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(
            host=url.host, port=url.port, user=url.username, dbname=url.database, password="wrong"
        )
