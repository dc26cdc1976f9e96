"""The kill switch's own webhook: the state that a service should obey, and nothing to interpret."""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from monitor.config.model import KillSwitch
from monitor.errors import DeliveryError
from monitor.ledger.moments import moment, rfc3339
from monitor.notify.delivery import Delivery, Taken
from monitor.notify.hiding import of_address
from monitor.notify.http import Http
from monitor.notify.signing import key_of
from monitor.notify.webhook import post_signed

DEADLINE_S: Final = 5.0
"""Shorter than a receiver's: that a kill hangs is announced when this has passed."""


class KillWebhook:
    """Sends to one switch; only a 2xx confirms, and no answer ends the trying before `not_after`."""

    def __init__(self, switch: KillSwitch, wall_s: Callable[[], float] = time.time) -> None:
        self._url, self._secret = switch.url or "", switch.secret
        for secret in self._secret.split():
            key_of(secret)
        self._http = Http(
            [*of_address(self._url), *self._secret.split()], ca_file=switch.ca_file, deadline_s=DEADLINE_S
        )
        self._wall_s = wall_s

    def send(self, delivery: Delivery) -> Taken:
        """Post the state and return the answer; raises DeliveryError, never a permanent one."""
        try:
            return post_signed(
                self._http, self._url, self._secret, delivery, encoded(delivery), self._wall_s()
            )
        except DeliveryError as refused:
            raise DeliveryError(
                str(refused), permanent=False, retry_after_s=refused.retry_after_s, response=refused.response
            ) from refused

    def close(self) -> None:
        self._http.close()


def encoded(delivery: Delivery) -> bytes:
    """`{type, timestamp, data}` with `data` as the transaction of the trip or release wrote it."""
    sent = {
        "type": f"kill_switch.{delivery.event}",
        "timestamp": rfc3339(moment(delivery.created_ms)),
        "data": delivery.payload,
    }
    return msgspec.json.encode(sent)
