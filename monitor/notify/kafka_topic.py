"""A Kafka topic: the body of the webhook as the value, the incident's id as the key."""

import threading
from collections.abc import Mapping
from typing import Any, Final

from kafka import KafkaProducer
from kafka.errors import (
    InvalidTopicError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from monitor.errors import DeliveryError
from monitor.ledger.wording import clip
from monitor.notify.delivery import Delivery, Taken
from monitor.notify.hiding import Hider
from monitor.notify.webhook import encoded, type_of

CONNECT_S: Final = 8.0
WRITE_S: Final = 12.0
_FINAL: Final = (
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
_SECRETS: Final = ("sasl_plain_password", "ssl_password")


class KafkaTopic:
    """Writes to one topic; taken is what all replicas in sync have."""

    def __init__(self, settings: Mapping[str, Any], env: str) -> None:
        self._topic = settings["topic"]
        self._settings = {key: value for key, value in settings.items() if key != "topic"}
        self._hide = Hider(str(settings.get(key, "")) for key in _SECRETS)
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None

    def send(self, delivery: Delivery) -> Taken:
        """Write the message and return where it stands; raises DeliveryError."""
        about = delivery.incident_id or delivery.kill_id or delivery.delivery_id
        headers = [("webhook-id", delivery.delivery_id.encode()), ("type", type_of(delivery).encode())]
        try:
            writing = self._connected().send(
                self._topic, encoded(delivery), key=about.encode(), headers=headers
            )
            at = writing.get(timeout=WRITE_S + 1)
        except (KafkaError, OSError) as error:
            raise self._refusal(error) from None
        return Taken(f"{at.topic}, partition {at.partition}, offset {at.offset}")

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.close(timeout=1)

    def _connected(self) -> KafkaProducer:
        """The producer, made when it is first needed: Kafka may be down when Tocsin starts."""
        if not self._lock.acquire(timeout=CONNECT_S):
            raise DeliveryError("not written: another message waits for the connection", permanent=False)
        try:
            if self._producer is None:
                self._producer = KafkaProducer(
                    acks="all",
                    bootstrap_timeout_ms=int(CONNECT_S * 1000),
                    max_block_ms=int(CONNECT_S * 1000),
                    request_timeout_ms=int(WRITE_S * 1000) - 100,
                    delivery_timeout_ms=int(WRITE_S * 1000),
                    **self._settings,
                )
            return self._producer
        finally:
            self._lock.release()

    def _refusal(self, error: Exception) -> DeliveryError:
        """The error for the outbox; a producer that cannot go on after it is given back."""
        if not getattr(error, "retriable", True) and not isinstance(error, _FINAL):
            self.close()
        said = f"not written: {clip(' '.join(str(error).split()), 160) or type(error).__name__}"
        return DeliveryError(self._hide(said), permanent=isinstance(error, _FINAL))
