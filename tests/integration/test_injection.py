"""No text from outside is ever code: not for SQL, JSON, YAML, HTML, Slack, a shell, a mail, a page or a terminal."""

import email
import gc
import html
import json
import re
import shlex
from contextlib import contextmanager
from email.policy import default
from html.parser import HTMLParser
from urllib.parse import quote, unquote

import httpx
import pytest
from click.testing import CliRunner
from hostile import HOSTILE, NAMES, RECEIVERS, REQUESTS, told
from prometheus_client.parser import text_string_to_metric_families

from monitor import cli
from monitor.cli.explain import chart
from monitor.cli.explain.evidence import Block, Trace
from monitor.cli.printed import plain
from monitor.config.matchers import read_globs
from monitor.config.rule import accepts
from monitor.web.board import Switchboard
from monitor.web.server import WebServer
from monitor.web.status import Status

KINDS = tuple(HOSTILE)
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
DASHBOARD = "https://grafana.example/d?m="
each_text = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(scope="module")
def way(postgres, ledger_template, database_names, kafka, kafka_admin, tmp_path_factory):
    name = database_names()
    topic = f"hostile-{name}"
    kafka_admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1}}, wait_for_metadata=True)
    url = postgres.create_database(name, template=ledger_template)
    with told(url, tmp_path_factory.mktemp("hostile"), kafka.bootstrap_servers, topic) as found:
        yield found
    postgres.drop_database(name)
    # kafka-python leaves sockets to the garbage collector, which would blame a later test, or the session.
    gc.collect()


def key_of(kind):
    """The stream's key: its labels, escaped and joined."""
    return f"{NAMES[kind].replace('%', '%25').replace('/', '%2F')}/{kind}"


def stem(text):
    """What is left of a text however it is folded."""
    return "".join(text.split())


def about(way, kind, bodies):
    """The body that is about a text's incident."""
    return json.loads(next(body for body in bodies if way.incident(kind) in body))


@each_text
def test_the_ledger_holds_the_name_as_data_in_every_column(way, kind):
    stored = {
        "SELECT labels ->> 'model' FROM tocsin.streams WHERE labels ->> 'segment.kind' = :kind": NAMES[kind],
        "SELECT stream FROM tocsin.streams WHERE labels ->> 'segment.kind' = :kind": key_of(kind),
        "SELECT labels ->> 'model' FROM tocsin.incidents WHERE labels ->> 'segment.kind' = :kind": NAMES[
            kind
        ],
        "SELECT version FROM tocsin.versions WHERE stream = :stream": NAMES[kind],
    }
    for query, expected in stored.items():
        assert way.log.read(query, kind=kind, stream=key_of(kind)) == [(expected,)]
    slices = "SELECT value, sum(n) FROM tocsin.rates_by WHERE signal = 'error' AND stream = :stream AND field = :field"
    for field in ("segment.plan", "finish_reason"):
        found = way.log.read(f"{slices} GROUP BY 1", stream=key_of(kind), field=field)
        assert found == [(NAMES[kind], REQUESTS)]


@each_text
def test_every_receiver_took_every_message(way, kind):
    query = "SELECT receiver, attempts > 0 FROM tocsin.deliveries WHERE incident_id = :id"
    assert dict(way.log.read(query, id=way.incident(kind))) == dict.fromkeys(RECEIVERS, True)


@each_text
def test_slack_is_sent_no_mention_no_link_and_no_mark_of_anybody_elses(way, kind):
    body = about(way, kind, way.to("/slack"))
    assert set(body) == {"text", "unfurl_links", "unfurl_media", "blocks"}
    texts = [body["text"]]
    for block in body["blocks"]:
        texts += [part["text"] for part in [block.get("text"), *block.get("elements", [])] if part]
    ours = rf"<{re.escape(DASHBOARD)}[\w.~%-]*\|Dashboard>"
    for text in texts:
        assert not re.search("[<>]", re.sub(ours, "", text))
    assert html.unescape(body["text"]).startswith(key_of(kind))


@each_text
@pytest.mark.parametrize("path", ["/v2", "/hook", "/am"])
def test_json_has_the_same_keys_whatever_the_names_are(way, kind, path):
    def keys(body):
        if isinstance(body, dict):
            return {name: keys(value) for name, value in body.items()}
        return sorted({json.dumps(keys(item)) for item in body}) if isinstance(body, list) else None

    bodies = way.to(path)
    ours, plain_one = about(way, kind, bodies), about(way, "sheet", bodies)
    assert keys(ours) == keys(plain_one)
    assert json.dumps(NAMES[kind])[1:-1] in json.dumps(ours)


@each_text
def test_the_topic_has_what_the_webhook_got(way, kind):
    [in_topic] = [json.loads(value) for value in way.events if way.incident(kind).encode() in value]
    assert in_topic["data"]["labels"] == {"model": NAMES[kind], "segment.kind": kind}


class Tags(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tags, self.links, self.said = set(), [], ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += attrs

    def handle_data(self, data):
        self.said += data


@each_text
def test_a_mail_has_our_headers_and_our_tags_and_no_others(way, kind):
    [raw] = [raw for raw in way.box.kept if way.incident(kind).encode() in raw]
    mail = email.message_from_bytes(raw, policy=default)
    assert [name.lower() for name in mail] == [
        "from", "to", "subject", "date", "message-id", "auto-submitted", "mime-version", "content-type",
        *[name for name in ("x-peer", "x-mailfrom", "x-rcptto") if name in mail],
    ]  # fmt: skip
    found = Tags()
    found.feed(mail.get_body(("html",)).get_content())
    assert found.tags == {"html", "body", "p", "b", "code", "a"}
    [(attribute, to)] = found.links
    assert attribute == "href"
    assert unquote(to.removeprefix(DASHBOARD)) == NAMES[kind]
    assert not STEERING.search(mail.get_body(("plain",)).get_content().replace("\r\n", "\n"))


@each_text
def test_what_a_message_says_to_type_gives_a_shell_the_name_and_nothing_to_run(way, kind):
    typed = [
        line for line in about(way, kind, way.to("/hook"))["data"]["text"].splitlines() if " silence " in line
    ]
    printable = NAMES[kind].isprintable()
    matched = [shlex.split(line)[3].removeprefix("model=") for line in typed]
    assert [accepts(read_globs(globs), NAMES[kind]) for globs in matched] == ([True] if printable else [])
    assert not any(accepts(read_globs(globs), f"{NAMES[kind]}x") for globs in matched)


@each_text
def test_the_log_is_one_line_that_steers_nothing(way, kind):
    [line] = [line for line in way.logged if way.incident(kind) in line]
    assert not STEERING.search(line)


def printed(way, *arguments):
    done = CliRunner().invoke(cli.cli, [*arguments, "-c", str(way.alerts)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert not STEERING.search(done.output)
    return done.output


def typed(kind):
    """The text as a command line can hold it."""
    return HOSTILE[kind].replace("\x00", "").replace("\ud800", "")


@each_text
def test_explain_prints_the_name_as_it_is_and_no_control_character(way, kind):
    assert stem(plain(key_of(kind))) in stem(printed(way, "explain", way.incident(kind)))


def test_lists_print_every_text_as_it_is_and_no_control_character(way):
    for kind in KINDS:
        raw = typed(kind)
        printed(way, "ack", way.incident(kind), "--by", raw)
        printed(way, "kill", "trip", "chat", "--stream", raw, "--reason", raw)
        printed(way, "silence", "add", "model=nobody", "--for", "1h", "--reason", raw, "--by", raw)
    switches, silences, status = (
        printed(way, *command) for command in (("kill", "status"), ("silence", "list"), ("status",))
    )
    assert [kind for kind in KINDS if stem(plain(typed(kind))) not in stem(switches)] == []
    assert [kind for kind in KINDS if way.incident(kind) not in status] == []
    assert silences.count("nobody") == len(KINDS)


def test_a_reason_cannot_add_a_line_to_a_list(way):
    reason = "x)\nchat: serving, released (y"
    printed(way, "kill", "trip", "chat", "--stream", "lines", "--reason", reason)
    assert not [
        line for line in printed(way, "kill", "status").splitlines() if line.startswith("chat: serving")
    ]


@contextmanager
def served(way, status=Status):
    board = Switchboard(way.log.settings, way.log.engine)
    server = WebServer(status, host="127.0.0.1", port=0, token="t", board=board)
    server.start()
    try:
        with httpx.Client(base_url=server.url, headers={"authorization": "Bearer t"}) as client:
            yield client
    finally:
        server.stop(4)


@each_text
def test_http_takes_the_name_as_a_value_and_gives_it_back_as_one(way, kind):
    name = NAMES[kind]
    budgets = {(name, key_of(kind)): 0.5}
    with served(way, lambda: Status(error_budgets=budgets)) as client:
        families = text_string_to_metric_families(client.get("/metrics").text)
        labels = [
            tuple(s.labels.values()) for f in families if f.name.startswith("tocsin_error") for s in f.samples
        ]
        assert labels == [(name, key_of(kind))]
        flags = "/ofrep/v1/evaluate/flags"
        answer = client.post(f"{flags}/chat.enabled", json={"context": {"model": name}})
        assert (answer.status_code, answer.json()["key"]) == (200, "chat.enabled")
        assert answer.headers["content-type"] == "application/json"
        missing = client.post(f"{flags}/{quote(name, safe='')}", json={"context": {"model": name}})
        assert missing.status_code in (400, 404)
        change = client.post("/api/kill/chat/trip", json={"reason": name, "stream": name})
        assert change.status_code == (200 if name.isprintable() else 400)
        assert "html" not in missing.headers["content-type"] + change.headers["content-type"]


@pytest.fixture(scope="module")
def trace():
    block = Block(end_ms=60_000, k=1, n=2, log_m=1.0, onset_ms=0)
    return Trace((block,), (), 2.0, 0.1, 0.01, 60, True, 0, 60_000)


def test_a_page_with_a_chart_is_not_ended_by_what_is_drawn_in_it(tmp_path, trace):
    page = tmp_path / "chart.html"
    chart.write(page, trace, HOSTILE["html"], " ".join(NAMES.values()))
    drawn = page.read_text("utf-8")
    assert HOSTILE["html"] not in drawn
    assert json.dumps(HOSTILE["html"])[1:-1].replace("<", "\\u003c") in drawn


def test_the_ledger_is_whole_after_all_that(way):
    tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'tocsin_ledger'"
    assert way.log.read(tables)[0][0] > 30
