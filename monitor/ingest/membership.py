"""What the consumer group says of us: generation, a heartbeat on demand, fencing.

kafka-python 3.0.12 shows little of it, so this is the one place that looks inside its coordinator.
"""

from typing import Any, Final

from kafka.errors import FencedInstanceIdError, KafkaError

from monitor.errors import KafkaUnavailable

HEARTBEAT_MS: Final = 1_000

Generation = tuple[int, str]


class Membership:
    """Our place in the consumer group; of one KafkaConsumer, used on its owner thread."""

    def __init__(self, consumer: Any) -> None:
        self._coordinator = consumer._coordinator
        self._manager = consumer._coordinator._manager
        self._net = consumer._coordinator._net

    def generation(self) -> Generation | None:
        """Generation and member id, None while the group is not stable for us."""
        current = self._coordinator.generation_if_stable()
        if current is None or current.is_lost() or self._coordinator.need_rejoin():
            return None
        return current.generation_id, current.member_id

    def confirm(self) -> bool:
        """Whether the broker, asked now, takes us for a member of the current generation (rule 9)."""
        before = self.generation()
        if before is None:
            return False
        try:
            self._net.run(self._beat)
        except FencedInstanceIdError:
            raise self.fenced() from None
        except KafkaError:
            return False
        return self.generation() == before

    async def _beat(self) -> None:
        answer = self._manager.call_soon(self._coordinator._send_heartbeat_request)
        await self._manager.wait_for(answer, HEARTBEAT_MS)

    def check_fenced(self) -> None:
        """Raise KafkaUnavailable once another process has joined under our instance name (rule 12).

        kafka-python only stops its heartbeats then, and would go on to read.
        """
        with self._coordinator._lock:
            silent = self._coordinator.stable() and not self._coordinator._heartbeat_enabled
            if silent and not self._coordinator.rejoining and not self._coordinator.need_rejoin():
                raise self.fenced()

    def fenced(self) -> KafkaUnavailable:
        return KafkaUnavailable(
            f"Another process has joined consumer group {self._coordinator.group_id} as instance "
            f"{self._coordinator.group_instance_id} (FENCED_INSTANCE_ID): give each replica "
            "a TOCSIN_INSTANCE of its own."
        )
