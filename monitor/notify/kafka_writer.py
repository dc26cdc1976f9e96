"""Writing to one topic of Kafka: taken is what all replicas in sync have."""

import threading
from collections.abc import Mapping
from contextlib import suppress
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
from monitor.notify.delivery import Taken
from monitor.notify.hiding import Hider

_FINAL: Final = (
    InvalidTopicError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)
_SECRETS: Final = ("sasl_plain_password", "ssl_password")


class KafkaWriter:
    """`settings` are those of KafkaProducer and the topic; used by several threads at once."""

    def __init__(self, settings: Mapping[str, Any], *, connect_s: float, write_s: float) -> None:
        self._topic = settings["topic"]
        self._settings = {key: value for key, value in settings.items() if key != "topic"}
        self._connect_s, self._write_s = connect_s, write_s
        self._hide = Hider(str(settings.get(key, "")) for key in _SECRETS)
        self._lock = threading.Lock()
        self._producer: KafkaProducer | None = None

    def write(self, key: str, value: bytes | None, headers: Mapping[str, str]) -> Taken:
        """Write one record and return where it stands; raises DeliveryError."""
        producer = self.connected()
        encoded = [(name, text.encode()) for name, text in headers.items()]
        try:
            writing = producer.send(self._topic, value, key=key.encode(), headers=encoded)
            at = writing.get(timeout=self._write_s + 1)
        except (KafkaError, OSError) as error:
            raise self.refusal(error) from None
        return Taken(f"{at.topic}, partition {at.partition}, offset {at.offset}")

    def refusal(self, error: Exception) -> DeliveryError:
        """The error for the outbox; the producer is given back: one whose broker stood still may hang for good."""
        if not isinstance(error, _FINAL):
            self.close()
        said = f"not written: {clip(' '.join(str(error).split()), 160) or type(error).__name__}"
        return DeliveryError(self._hide(said), permanent=isinstance(error, _FINAL))

    def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError):
                producer.close(timeout=1)

    def connected(self) -> KafkaProducer:
        """The producer, made when it is first needed: Kafka may be down when Tocsin starts. Raises DeliveryError."""
        if not self._lock.acquire(timeout=self._connect_s):
            raise DeliveryError("not written: another message waits for the connection", permanent=False)
        try:
            if self._producer is None:
                self._producer = KafkaProducer(
                    acks="all",
                    bootstrap_timeout_ms=int(self._connect_s * 1000),
                    max_block_ms=int(self._connect_s * 1000),
                    request_timeout_ms=int(self._write_s * 1000) - 100,
                    delivery_timeout_ms=int(self._write_s * 1000),
                    **self._settings,
                )
            return self._producer
        except (KafkaError, OSError) as error:
            raise self.refusal(error) from None
        finally:
            self._lock.release()
