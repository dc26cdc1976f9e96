"""The demo's alerts.yaml: the one at the top of the project, on the servers of this machine."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ruamel.yaml import YAML

import monitor
from monitor.errors import UsageError
from monitor.local.receiver import KILL, PAGERDUTY, SLACK, Receiver

TOPIC: Final = "predictions"
ROUTING_KEY: Final = "demo0demo0demo0demo0demo0demo0de"
OVERRIDES: Final = (
    "reference: {at_least: 0s}     no day is waited for: this log is the same all day, take it as it is",
    "defaults: {fresh: 1d}         what is hours old counts as news, since hours are played in a minute",
    "source, store, receivers, kill_switches, http: the servers of this machine, from the first record on",
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is that alerts.yaml names."""

    bootstrap_servers: str
    store_url: str
    receiver: Receiver
    secret: str

    def alerts_yaml(self, http_port: int) -> str:
        """The text of the demo's alerts.yaml, comments included."""
        yaml = YAML()
        document = yaml.load(top_level().read_text("utf-8"))
        self._override(document, http_port)
        text = io.StringIO()
        yaml.dump(document, text)
        return text.getvalue()

    def _override(self, document: dict[str, Any], http_port: int) -> None:
        document["reference"]["at_least"] = "0s"
        document["defaults"]["fresh"] = "1d"
        source = {"bootstrap_servers": self.bootstrap_servers, "topic": TOPIC, "start": "earliest"}
        document["source"].update(source)
        document["store"]["url"] = self.store_url
        document["receivers"]["default"]["slack"]["url"] = self.receiver.url(SLACK)
        pager = {"routing_key": ROUTING_KEY, "url": self.receiver.url(PAGERDUTY)}
        document["receivers"]["oncall"]["pagerduty"].update(pager)
        webhook = {"url": self.receiver.url(KILL), "secret": self.secret}
        document["kill_switches"]["chat"]["webhook"].update(webhook)
        document["http"] = {"port": http_port}


def top_level() -> Path:
    """The documented alerts.yaml: inside the wheel, or at the top of the project. Else UsageError."""
    package = Path(monitor.__file__).parent
    for path in (package / "_alerts.yaml", package.parent / "alerts.yaml"):
        if path.is_file():
            return path
    raise UsageError("this installation lacks the documented alerts.yaml that the demo starts from")
