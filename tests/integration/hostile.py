"""Texts that would do harm somewhere between a record and a reader, and one way through the house with all of them."""

import io
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiosmtpd.controller import Controller
from kafka import KafkaConsumer
from sql_log import Log

from monitor.cli.log import configure_log
from monitor.local.ports import HOST, free_ports
from monitor.local.receiver import Receiver, local_receiver
from monitor.notify.worker import Notifier
from monitor.records.text import clean_name, without_surrogates

HOSTILE = {
    "sql": "'; DROP TABLE tocsin_ledger.stream; --",
    "placeholders": "$$ %s %(x)s :x {0} {stream} $HOME {{7*7}} $1",
    "json": '"},"severity":"info","x":{"y":["',
    "yaml": "- !!python/object/apply:os.system ['id'] #: &a *a",
    "html": "</code></script><script>alert(1)</script><img src=x onerror=alert(1)>",
    "slack": "<!channel> <https://evil.example|click> *b* _i_ `c`",
    "rich": "[link=https://evil.example]x[/link] [/red] [bold :boom:",
    "url": "../../x?a=1&b=2#c%2F%00;d",
    "shell": "$(touch x); `id` | x > y\\",
    "prometheus": 'a"b\\c,le="x"} 1',
    "terminal": "a\x1b]0;owned\x07\x1b[2J\x9b31m\r\nb\x08\x7f\x00",
    "direction": "abc\u202ecba\u2066x\u2028y",
    "mail": "x\r\nBcc: all@evil.example\r\n\r\n<b>",
    "sheet": "=cmd|'/c calc'!A1",
    "astral": "\U0001f680\ufffe e\u0301 \u200b\ud800",
}
NAMES = {kind: clean_name(without_surrogates(raw)) for kind, raw in HOSTILE.items()}
REQUESTS = 60
FIELDS = (
    *("model", "version", "id", "trace_id", "user", "error_type", "error_message"),
    *("input", "output", "output_language", "finish_reason"),
)
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
RECEIVERS = ("slack", "pager", "hook", "am", "mail", "events", "log")
ALERTS = """
name: test
source: {{bootstrap_servers: "k:9092", topic: predictions}}
store: {{url: "{store}"}}
http: {{port: 0}}
streams: {{by: [model, segment.kind], slices: [version, segment.plan, finish_reason]}}
defaults: {{notify: [{names}], min_n: 1}}
links: {{dashboard: "https://grafana.example/d?m={{model}}"}}
rules:
{rules}
receivers:
  slack: {{slack: {{url: "{url}/slack"}}}}
  pager: {{pagerduty: {{routing_key: 0123456789abcdef0123456789abcdef, url: "{url}/v2/enqueue"}}}}
  hook: {{webhook: {{url: "{url}/hook", secret: {secret}}}}}
  am: {{alertmanager: {{url: "{url}/am"}}}}
  mail: {{email: {{host: 127.0.0.1, port: {smtp}, from: a@example.com, to: b@example.com, tls: none}}}}
  events: {{kafka: {{topic: {topic}, bootstrap_servers: "{kafka}"}}}}
  log: {{log: {{}}}}
kill_switches:
  chat: {{webhook: {{url: "{url}/kill", secret: {secret}}}, per: [model]}}
"""


class Box:
    """An SMTP server's messages, as they came over the wire."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    async def handle_DATA(self, server: object, session: object, envelope: object) -> str:  # noqa: N802
        self.kept.append(envelope.content)  # type: ignore[attr-defined]
        return "250 taken"


@dataclass
class Told:
    """What came out at each end."""

    log: Log
    alerts: Path
    receiver: Receiver
    box: Box
    events: list[bytes] = field(default_factory=list)
    printed: str = ""

    def to(self, path: str) -> list[str]:
        return [r.body.decode() for r in self.receiver.received if r.path.startswith(path)]

    def incident(self, kind: str) -> str:
        """The incident of the stream that has this text for a name."""
        query = "SELECT incident_id FROM tocsin.incidents WHERE labels ->> 'segment.kind' = :kind"
        [(found,)] = self.log.read(query, kind=kind)
        return str(found)

    @property
    def logged(self) -> list[str]:
        """The lines of the receiver `log`."""
        return [line for line in self.printed.splitlines() if " message=opened name=test " in line]


def rules() -> str:
    """A rule for each text, and named by it where alerts.yaml takes that for a name."""
    each = []
    for kind, raw in HOSTILE.items():
        name = json.dumps(f"{kind}: {raw}" if raw.isprintable() else kind)
        each.append(
            f"  - {{name: {name}, signal: error, match: {{segment.kind: {kind}}}, window: 30s, above: 50%}}"
        )
    return "\n".join(each)


def records(start_ms: int) -> list[dict[str, object]]:
    """Requests that fail for a minute, each text in every field that takes one."""
    return [
        dict.fromkeys((*FIELDS, raw), raw)
        | {
            "ts": start_ms + 1_000 * number,
            "status": "error",
            "segment": {"kind": kind, "plan": raw, raw: raw},
        }
        for number in range(REQUESTS)
        for kind, raw in HOSTILE.items()
    ]


@contextmanager
def told(url: str, folder: Path, kafka: str, topic: str) -> Iterator[Told]:
    """The records judged, and their incidents told to a receiver of every kind."""
    box, printed = Box(), io.StringIO()
    mail = Controller(box, hostname=HOST, port=free_ports(1)[0])
    mail.start()
    with local_receiver() as receiver:
        to = {"url": receiver.url(""), "smtp": mail.port, "topic": topic, "kafka": kafka, "store": url}
        alerts = ALERTS.format(names=", ".join(RECEIVERS), rules=rules(), secret=SECRET, **to)

        log = Log(url, folder, alerts, base="")
        log.judge(*records(log.start_ms))
        log.judge({"ts": log.start_ms + 300_000})
        configure_log(os.environ, printed)
        notifier = Notifier(log.engine, log.settings)
        notifier.start()
        # The receiver's answer is not Alertmanager's, so that one is told again and again.
        waiting = "SELECT count(*) FROM tocsin.deliveries WHERE attempts = 0 OR state = 'pending' AND receiver <> 'am'"
        deadline = time.monotonic() + 30
        while log.read(waiting) != [(0,)] and time.monotonic() < deadline:
            time.sleep(0.05)
        notifier.stop()
        mail.stop()
        yield Told(log, folder / "alerts.yaml", receiver, box, in_topic(kafka, topic), printed.getvalue())
        log.engine.dispose()


def in_topic(kafka: str, topic: str) -> list[bytes]:
    consumer = KafkaConsumer(
        topic, bootstrap_servers=kafka, auto_offset_reset="earliest", consumer_timeout_ms=1_000, group_id=None
    )
    found = [record.value for record in consumer]
    consumer.close()
    return found
