"""A kill switch's compacted topic: the newest state of each switch, for services that read it as a stream."""

import threading
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownTopicOrPartitionError, for_code
from structlog import get_logger

from monitor.errors import DeliveryError
from monitor.killswitch.retiring import EMPTIED
from monitor.killswitch.topic import record_key
from monitor.notify.delivery import Delivery, Taken
from monitor.notify.kafka_writer import KafkaWriter

# A look at the topic, a connection and a write stay together below the time of a claim.
LOOK_S: Final = 4.0
CONNECT_S: Final = 5.0
WRITE_S: Final = 8.0
COMPACT: Final = "compact"

_log = get_logger("tocsin.notify")


class SwitchTopic:
    """Writes the states of one switch under their keys; no error is final, since the newest state is always owed.

    The topic is never created. It is looked at before the first message and again after each that failed.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        never_made = {**settings, "allow_auto_create_topics": False}
        self._writer = KafkaWriter(never_made, connect_s=CONNECT_S, write_s=WRITE_S)
        self._remark: str | None = None
        self._lock = threading.Lock()
        self._admin: KafkaAdminClient | None = None

    def send(self, delivery: Delivery) -> Taken:
        """Write the state and return where it stands; raises DeliveryError, never a permanent one."""
        headers = {"webhook-id": delivery.delivery_id, "type": f"kill_switch.{delivery.event}"}
        key, emptied = record_key(delivery.lane), delivery.payload.get(EMPTIED)
        value = None if emptied else msgspec.json.encode(delivery.payload)
        try:
            remark = self._looked()
            at = self._writer.write(key, value, headers)
        except DeliveryError as refused:
            self._remark = None
            raise DeliveryError(str(refused), permanent=False) from None
        return Taken(f"{at.response}{remark}")

    def close(self) -> None:
        self._writer.close()
        self._close_admin()

    def _close_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            admin.close()

    def _looked(self) -> str:
        """What is to be said of the topic, '' where it is as it should be."""
        if self._remark is None:
            # An admin client that finds no Kafka leaves a thread behind (kafka-python 3.0.12), a producer does not.
            self._writer.connected()
            self._remark = _remark(self._policy())
            if self._remark:
                _log.warning(
                    "a switch's topic is not compacted", topic=self._settings["topic"], why=self._remark[2:]
                )
        return self._remark

    def _policy(self) -> str | None:
        """The topic's cleanup.policy, None where it may not be read; DeliveryError where there is no topic."""
        if not self._lock.acquire(timeout=LOOK_S):
            raise DeliveryError("not written: another message waits for the connection", permanent=False)
        try:
            return self._described(self._settings["topic"])
        except (KafkaError, OSError) as error:
            self._close_admin()
            raise self._writer.refusal(error) from None
        finally:
            self._lock.release()

    def _described(self, topic: str) -> str | None:
        if self._admin is None:
            self._admin = self._connected_admin()
        (found,) = self._admin.describe_topics([topic])
        self._require(found["error_code"])
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        told = self._admin.describe_configs([resource], config_filter="all")
        entry = told["topic"][topic].get("cleanup.policy")
        return None if entry is None else str(entry["value"])

    def _connected_admin(self) -> KafkaAdminClient:
        client = {key: value for key, value in self._settings.items() if key != "topic"}
        ms = int(LOOK_S * 1000)
        return KafkaAdminClient(bootstrap_timeout_ms=ms, request_timeout_ms=ms, **client)

    def _require(self, code: int) -> None:
        error = for_code(code)
        if error in (UnknownTopicOrPartitionError, TopicAuthorizationFailedError):
            at = f"{self._settings['topic']} at {self._settings['bootstrap_servers']}"
            advice = "create it with cleanup.policy=compact (Tocsin never does) or let this user write to it"
            raise DeliveryError(f"there is no topic {at} that this user may see: {advice}", permanent=False)
        if code:
            raise error()


def _remark(policy: str | None) -> str:
    if policy is None:
        return "; whether it is compacted could not be read"
    return "" if policy == COMPACT else f"; cleanup.policy is {policy}: set compact, or it loses states"
