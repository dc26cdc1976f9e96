"""A Kafka topic: the body of the webhook as the value, the incident's id as the key."""

from collections.abc import Mapping
from typing import Any, Final

from monitor.notify.delivery import Delivery, Taken
from monitor.notify.kafka_writer import KafkaWriter
from monitor.notify.webhook import encoded, type_of

CONNECT_S: Final = 8.0
WRITE_S: Final = 12.0


class KafkaTopic:
    """Writes incidents' messages to one topic."""

    def __init__(self, settings: Mapping[str, Any], env: str) -> None:
        self._writer = KafkaWriter(settings, connect_s=CONNECT_S, write_s=WRITE_S)

    def send(self, delivery: Delivery) -> Taken:
        """Write the message and return where it stands; raises DeliveryError."""
        about = delivery.incident_id or delivery.kill_id or delivery.delivery_id
        headers = {"webhook-id": delivery.delivery_id, "type": type_of(delivery)}
        return self._writer.write(about, encoded(delivery), headers)

    def close(self) -> None:
        self._writer.close()
