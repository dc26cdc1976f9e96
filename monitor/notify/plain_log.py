"""A line in Tocsin's own log, for whoever collects it."""

from collections.abc import Mapping
from typing import Any, Final

from structlog import get_logger

from monitor.notify.delivery import Delivery, Taken
from monitor.notify.message import compose

_LEVELS: Final = {"info": "info", "warning": "warning", "critical": "error"}

log = get_logger("tocsin.alert")


class PlainLog:
    """Writes each message as one line; its level is that of the incident's severity."""

    def __init__(self, settings: Mapping[str, Any], env: str) -> None:
        self._env = env

    def send(self, delivery: Delivery) -> Taken:
        """Write the line."""
        told = compose(delivery.event, delivery.payload)
        facts = delivery.payload.get("facts") or {}
        write = getattr(log, _LEVELS.get(str(facts.get("severity")), "warning"))
        write(
            told.headline,
            name=self._env,
            message=delivery.event,
            incident=delivery.incident_id,
            rule=facts.get("rule"),
            stream=facts.get("stream"),
            story=told.story,
        )
        return Taken("logged")

    def close(self) -> None:
        """There is nothing to give back."""
