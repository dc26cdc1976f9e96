"""Making the Kafka consumer: settings that do not lose data, checks before, patience at the start.

The numbers of the hazards are those of kafka-python 3.0.12, the version this was written against.
"""

import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event
from typing import Any, Final

from kafka import KafkaConsumer, codec
from kafka.cluster import collect_hosts
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import GroupAuthorizationFailedError, KafkaConfigurationError, KafkaError
from kafka.record import util

from monitor.config.model import Source
from monitor.errors import KafkaUnavailable, UsageError
from monitor.ingest.assignor import LabelsFollow
from monitor.ingest.knock import knock

BOOTSTRAP_MS: Final = 15_000
CONNECT_S: Final = 2.0
RETRY_S: Final = 1.0

# Rule 12: a killed process is noticed within 6 s. Hazard 6: where to start is our decision, never the
# library's. Hazard 1: no deserializers. Rule 3: a new partition is found within 10 s. Rule 11: aborted
# records are not read.
SETTINGS: Final[Mapping[str, Any]] = {
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "isolation_level": "read_committed",
    "allow_auto_create_topics": False,
    "session_timeout_ms": 6_000,
    "heartbeat_interval_ms": 1_500,
    "max_poll_interval_ms": 60_000,
    "metadata_max_age_ms": 5_000,
    "max_poll_records": 5_000,
    "fetch_max_wait_ms": 250,
    "fetch_max_bytes": 16 * 1024 * 1024,
    "reconnect_backoff_max_ms": 2_000,
    "bootstrap_timeout_ms": BOOTSTRAP_MS,
}
_PASSWORD_MECHANISMS: Final = frozenset({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"})
_FILES: Final = ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_crlfile")


def consumer_settings(source: Source, instance: str | None, labels: Collection[str] = ()) -> dict[str, Any]:
    """The keyword arguments of KafkaConsumer; `instance` makes it a static member (rule 12).

    Of its topics `labels` are read where their predictions are.
    """
    settings = {
        **SETTINGS,
        "bootstrap_servers": source.bootstrap_servers.split(","),
        "group_id": source.group,
        "client_id": "tocsin",
        "partition_assignment_strategy": [LabelsFollow(labels) if labels else CooperativeStickyAssignor()],
        # Without one OpenSSL would ask at the terminal for the password of an encrypted key.
        "ssl_password": "",
        **source.client,
    }
    return settings | ({"group_instance_id": instance} if instance else {})


def check_source(source: Source) -> None:
    """Refuse what kafka-python would accept and then fail with silently; raises UsageError."""
    mechanism = str(source.client.get("sasl_mechanism") or "")
    if mechanism in _PASSWORD_MECHANISMS:
        for key in ("sasl_plain_username", "sasl_plain_password"):
            if not source.client.get(key):
                raise UsageError(f"source.{key} is empty, and {mechanism} needs it: set it in alerts.yaml.")
    for key in _FILES:
        path = source.client.get(key)
        if path and not Path(str(path)).is_file():
            raise UsageError(f"source.{key}: there is no file {path}.")


def check_libraries() -> None:
    """Without a codec batches are unreadable, without C's crc32c reading is 7 times slower (hazard 5)."""
    present = {
        "lz4": codec.has_lz4(),
        "zstandard": codec.has_zstd(),
        "python-snappy": codec.has_snappy(),
        "crc32c": util.crc32c_c is not None,
    }
    missing = [name for name, there in present.items() if not there]
    if missing:
        raise UsageError(
            f"kafka-python lacks {', '.join(missing)}: install kafka-python[crc32c,lz4,snappy,zstd] again."
        )


def connect(
    source: Source,
    instance: str | None,
    stopping: Event,
    unreachable: Callable[[str], None],
    *,
    patient: bool,
    labels: Collection[str] = (),
) -> Any:
    """A KafkaConsumer that has reached its cluster, or None when `stopping` was set before.

    While nobody answers at the addresses it keeps trying and calls `unreachable` with the reason. Where a broker that
    takes TCP connections does not let us in twice, it raises KafkaUnavailable, unless `patient`. Once is not enough:
    a process that was frozen for longer than bootstrap may take finds it failed.
    """
    settings, refusals = consumer_settings(source, instance, labels), 0
    while not stopping.is_set():
        reason = _no_answer(source.bootstrap_servers)
        if reason is None:
            try:
                return _let_in(source, settings)
            except _NotLetInError as refused:
                reason, refusals = str(refused), refusals + 1
                if refusals > 1 and not patient and _no_answer(source.bootstrap_servers) is None:
                    raise KafkaUnavailable(reason) from refused
        else:
            refusals = 0
        unreachable(reason)
        stopping.wait(RETRY_S)
    return None


class _NotLetInError(Exception):
    """No client of ours is taken."""


def _let_in(source: Source, settings: dict[str, Any]) -> Any:
    refusal = knock(source, settings)
    if refusal is not None and refusal.certain:
        raise _NotLetInError(refusal.sentence)
    try:
        return _bootstrapped(settings)
    except KafkaConfigurationError as error:
        raise UsageError(f"source: kafka-python refuses the settings: {error}.") from error
    except (KafkaError, OSError, ValueError) as error:
        sentence = refusal.sentence if refusal else _refusal(source, error)
        raise _NotLetInError(sentence) from error


def _bootstrapped(settings: dict[str, Any]) -> Any:
    consumer = KafkaConsumer.__new__(KafkaConsumer)
    try:
        consumer.__init__(**settings)
    except BaseException:
        # Its network thread runs already, and nobody else could stop it.
        client = getattr(consumer, "_client", None)
        if client is not None:
            with suppress(KafkaError, OSError, RuntimeError):
                client.close()
        raise
    return consumer


def _no_answer(servers: str) -> str | None:
    """Why none of the bootstrap servers takes a TCP connection, None where one does."""
    reasons = []
    for host, port, _ in collect_hosts(servers, randomize=False):
        try:
            socket.create_connection((host, port), timeout=CONNECT_S).close()
        except OSError as error:
            reasons.append(f"{host}:{port} ({error.strerror or error})")
        else:
            return None
    return f"Kafka does not answer at {', '.join(reasons)}"


def _refusal(source: Source, error: BaseException) -> str:
    protocol = source.client.get("security_protocol") or "PLAINTEXT"
    mechanism = source.client.get("sasl_mechanism") or "none"
    return (
        f"Kafka at {source.bootstrap_servers} takes connections, but for {2 * BOOTSTRAP_MS // 1000} s no client "
        "of ours: check credentials (sasl_plain_username, sasl_plain_password), mechanism (sasl_mechanism "
        f"is {mechanism}) and TLS (security_protocol is {protocol}, ssl_cafile); the client says: {error}"
    )


def denial(source: Source, error: Exception) -> str:
    """One sentence for a right that is missing of our user."""
    user = source.client.get("sasl_plain_username")
    who = f"user {user}" if user else "this client"
    what = f"topic {', '.join(source.topics)}"
    if isinstance(error, GroupAuthorizationFailedError):
        what = f"group {source.group}"
    return f"Kafka at {source.bootstrap_servers} denies {what} to {who}: grant Read on it ({type(error).__name__})"
