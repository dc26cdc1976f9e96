"""One sender for each receiver and each kill switch of alerts.yaml."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from monitor.config.model import Config, Receiver
from monitor.errors import DeliveryError, UsageError
from monitor.ledger.outbox import KILL, topic_of
from monitor.notify.alertmanager import Alertmanager
from monitor.notify.delivery import Delivery, Taken
from monitor.notify.email import Email
from monitor.notify.kafka_topic import KafkaTopic
from monitor.notify.kill import KillWebhook
from monitor.notify.pagerduty import PagerDuty
from monitor.notify.plain_log import PlainLog
from monitor.notify.slack import Slack
from monitor.notify.switch_topic import SwitchTopic
from monitor.notify.webhook import Webhook


class Sender(Protocol):
    """Brings one message to one receiver; used by several threads at once."""

    def send(self, delivery: Delivery) -> Taken: ...

    def close(self) -> None: ...


KINDS: Final[Mapping[str, Callable[[Mapping[str, Any], str], Sender]]] = {
    "slack": Slack,
    "pagerduty": PagerDuty,
    "webhook": Webhook,
    "alertmanager": Alertmanager,
    "email": Email,
    "kafka": KafkaTopic,
    "log": PlainLog,
}


class Senders:
    """All senders of a configuration; raises UsageError for a secret or kind that cannot be used."""

    def __init__(self, config: Config) -> None:
        self._senders: dict[tuple[bool, str], Sender] = {}
        for name, receiver in config.receivers.items():
            self._senders[False, name] = _made(f"receivers.{name}", _receiver, receiver, config.name)
        for name, switch in config.kill_switches.items():
            if switch.url is not None:
                self._senders[True, name] = _made(f"kill_switches.{name}", KillWebhook, switch)
            if switch.topic is not None:
                self._senders[False, topic_of(name)] = SwitchTopic(switch.topic)

    def send(self, delivery: Delivery) -> Taken:
        """Send it and return what the receiver answered; raises DeliveryError.

        A receiver that this alerts.yaml does not know may be known to another replica, so that can pass.
        """
        sender = self._senders.get((delivery.kind == KILL, delivery.receiver))
        if sender is None:
            raise DeliveryError(f"{delivery.receiver} is not in this alerts.yaml", permanent=False)
        return sender.send(delivery)

    def close(self) -> None:
        """Give all connections back."""
        for sender in self._senders.values():
            sender.close()


def _receiver(receiver: Receiver, env: str) -> Sender:
    if receiver.kind not in KINDS:
        raise UsageError(f"{receiver.kind} is not supported yet")
    return KINDS[receiver.kind](receiver.settings, env)


def _made(place: str, make: Callable[..., Sender], *arguments: object) -> Sender:
    try:
        return make(*arguments)
    except KeyError as missing:
        raise UsageError(f"{place}: {missing.args[0]} is missing") from missing
    except UsageError as wrong:
        raise UsageError(f"{place}: {wrong}") from wrong
