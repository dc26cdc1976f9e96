"""`heartbeat`: a sign of life to a watchman elsewhere, sent only while there is reason to believe in it."""

from collections.abc import Callable
from typing import Final

from monitor.cli.log import Conditions
from monitor.config.model import Heartbeat
from monitor.errors import DeliveryError
from monitor.notify.hiding import of_address
from monitor.notify.http import Http
from monitor.web.status import Status

WATERMARK_S: Final = 120.0
OUTBOX_S: Final = 300.0


def trouble(status: Status) -> str | None:
    """Why there is to be no sign of life; None while records are judged and messages go out."""
    for part, why in (*status.alive.items(), *status.ready.items()):
        if why is not None:
            return f"{part}: {why}"
    if status.watermark_age_s is None or status.watermark_age_s > WATERMARK_S:
        return "the watermark stands still, so nothing is judged"
    if status.outbox_oldest_s is None or status.outbox_oldest_s > OUTBOX_S:
        return "a message has waited in the outbox for more than five minutes"
    return None


class Beating:
    """Posts to the watchman at every call of `beat` at which all is well."""

    def __init__(self, heartbeat: Heartbeat, status: Callable[[], Status], conditions: Conditions) -> None:
        self._url, self._status, self._conditions = heartbeat.url, status, conditions
        self._http = Http(of_address(heartbeat.url))

    def beat(self) -> bool:
        """Send one sign of life; False where there is none, or it did not arrive."""
        why = trouble(self._status()) or self._refused()
        if why is None:
            self._conditions.end("no_heartbeat")
            return True
        self._conditions.begin("no_heartbeat", why=why)
        return False

    def _refused(self) -> str | None:
        try:
            reply = self._http.post(self._url, b"")
        except DeliveryError as error:
            return str(error)
        return None if 200 <= reply.status < 300 else f"it answered {reply.shown}"
