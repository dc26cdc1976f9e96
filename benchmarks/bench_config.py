"""The benchmark's alerts.yaml: the documented one at the top of the project, on the servers of this machine."""

import io
from dataclasses import dataclass
from typing import Final

from ruamel.yaml import YAML

from monitor.cli.demo.config import ROUTING_KEY, top_level
from monitor.local.receiver import KILL, PAGERDUTY, SLACK, Receiver

STREAMS: Final = "bench-*"
SWITCH: Final = "chat"


@dataclass(frozen=True, slots=True)
class BenchConfig:
    """Where everything is; `learn` is how many requests a reference takes."""

    bootstrap_servers: str
    topic: str
    store_url: str
    receiver: Receiver
    secret: str
    learn: int

    def alerts_yaml(self, http_port: int) -> str:
        """The text, for an HTTP port: every rule as documented, `errors` and its kill for all streams."""
        yaml = YAML()
        document = yaml.load(top_level().read_text("utf-8"))
        document["reference"] = {"learn": self.learn, "at_least": "0s"}
        source = {"bootstrap_servers": self.bootstrap_servers, "topic": self.topic, "start": "earliest"}
        document["source"].update(source)
        document["store"]["url"] = self.store_url
        for rule in document["rules"]:
            if "match" in rule:
                rule["match"] = {"model": STREAMS}
        document["receivers"]["default"]["slack"]["url"] = self.receiver.url(SLACK)
        pager = {"routing_key": ROUTING_KEY, "url": self.receiver.url(PAGERDUTY)}
        document["receivers"]["oncall"]["pagerduty"].update(pager)
        webhook = {"url": self.receiver.url(KILL), "secret": self.secret}
        document["kill_switches"][SWITCH]["webhook"].update(webhook)
        document["http"] = {"port": http_port}
        text = io.StringIO()
        yaml.dump(document, text)
        return text.getvalue()
