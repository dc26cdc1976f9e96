"""Real servers with the documented alerts.yaml, an empty ledger and an empty topic, for the length of a block."""

import base64
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from benchmarks.bench_config import BenchConfig
from benchmarks.bench_topic import create_topic
from monitor.ledger.engine import connect
from monitor.ledger.migrate import upgrade
from monitor.local.daemon import Daemon
from monitor.local.kafka import local_kafka
from monitor.local.postgres import PostgresServer, local_postgres
from monitor.local.receiver import local_receiver

TOPIC: Final = "predictions"
LEARN: Final = 10_000


@dataclass(frozen=True, slots=True)
class Stage:
    """Servers with one running daemon; `config` is for more of them."""

    servers: str
    postgres: PostgresServer
    engine: Engine
    config: BenchConfig
    daemon: Daemon


@contextmanager
def staged(name: str) -> Iterator[Stage]:
    """The stage, with a database of that name; everything is stopped as the block ends."""
    with ExitStack() as stack:
        kafka = stack.enter_context(local_kafka())
        postgres = stack.enter_context(local_postgres())
        secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode()
        receiver = stack.enter_context(local_receiver(secret))
        url = postgres.create_database(name)
        upgrade(url)
        create_topic(kafka.bootstrap_servers, TOPIC)
        engine = connect(url, name=name)
        stack.callback(engine.dispose)
        config = BenchConfig(kafka.bootstrap_servers, TOPIC, url, receiver, secret, LEARN)
        daemon = Daemon(config.alerts_yaml)
        stack.callback(daemon.close)
        daemon.start()
        yield Stage(kafka.bootstrap_servers, postgres, engine, config, daemon)
