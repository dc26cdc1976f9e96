"""The compacted topic of a kill switch, against a real Kafka: what stands in it is what the ledger says."""

import json
import threading
from contextlib import closing
from dataclasses import replace
from datetime import timedelta

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from notify_flow import ID, all_done, notifying, open_to, rows, steps, texts, until
from notify_parties import SECRET, Answer
from sqlalchemy import select

from monitor.config.loading import load
from monitor.killswitch.states import state
from monitor.killswitch.switches import release, trip
from monitor.ledger.decided import delivery, kill_event
from monitor.local.kafka import local_kafka
from monitor.notify.switch_topic import SwitchTopic

pytestmark = pytest.mark.usefixtures("no_socket_left")

YAML = """
name: prod-eu
source: {{bootstrap_servers: "{kafka}", topic: predictions}}
store: {{url: "postgresql://u@localhost/d"}}
streams: {{by: [model]}}
defaults: {{notify: [slack]}}
rules: [{{name: errors, signal: error, match: {{model: chat-eu}}, above: {{critical: 10%}}, kill: chat}}]
receivers: {{slack: {{slack: {{url: "{url}/slack"}}}}}}
kill_switches:
  chat: {{topic: {topic}, mode: degrade, to: rules-v3}}
  both: {{topic: {topic}, webhook: {{url: "{url}/kill", secret: {secret}}}}}
  each: {{topic: {{name: {topic}, bootstrap_servers: "{kafka}"}}, per: [model]}}
"""


@pytest.fixture
def switches_topic(topic):
    return topic(partitions=2, cleanup_policy="compact")


@pytest.fixture
def configured(tmp_path, party):
    def make(servers, name):
        path = tmp_path / "alerts.yaml"
        path.write_text(YAML.format(kafka=servers, topic=name, url=party.url, secret=SECRET))
        return load(path, environ={})

    return make


@pytest.fixture
def by_topic(configured, kafka, switches_topic):
    return configured(kafka.bootstrap_servers, switches_topic)


def records(servers, name):
    """Everything in the topic as (key, value), each partition in order."""
    with closing(KafkaConsumer(bootstrap_servers=servers, group_id=None, auto_offset_reset="earliest")) as c:
        partitions = [TopicPartition(name, p) for p in sorted(c.partitions_for_topic(name))]
        c.assign(partitions)
        ends = c.end_offsets(partitions)
        found = []
        while any(c.position(p) < ends[p] for p in partitions):
            found += [r for batch in c.poll(timeout_ms=500).values() for r in batch]
    return [(r.key.decode(), r.value and json.loads(r.value)) for r in found]


def changed(ledger, change, switch, stream="", **more):
    with ledger.begin() as conn:
        return change(conn, switch, stream=stream, reason="it lies", actor="ann", **more)


def sent(ledger, receiver):
    with ledger.begin() as conn:
        mine = select(delivery).where(delivery.c.receiver == receiver).order_by(delivery.c.position)
        return conn.execute(mine).all()


def test_a_trip_and_its_release_stand_in_order_under_the_switchs_name(
    ledger, by_topic, kafka, switches_topic
):
    chat = by_topic.kill_switches["chat"]
    with notifying(ledger, by_topic) as notifier:
        for change in (trip, release):
            changed(ledger, change, chat)
            notifier.wake()
            until(lambda: all_done(ledger))
    found = records(kafka.bootstrap_servers, switches_topic)
    assert [(key, value["state"]) for key, value in found] == [("chat", "tripped"), ("chat", "released")]
    tripped, released = (value for _, value in found)
    assert (tripped["mode"], tripped["target"], tripped["reason"]) == ("degrade", "rules-v3", "it lies")
    assert tripped["not_after"] is None
    assert tripped["sequence"] < released["sequence"]
    assert [(row.state, row.event) for row in sent(ledger, "chat (topic)")] == [
        ("delivered", "tripped"),
        ("delivered", "released"),
    ]
    assert sent(ledger, "chat (topic)")[0].response.startswith(f"{switches_topic}, partition ")


def test_a_topic_alone_confirms_nothing_and_people_are_told_that(ledger, by_topic, party):
    with ledger.begin() as conn:
        open_to(conn, by_topic, "slack")
    changed(ledger, trip, by_topic.kill_switches["chat"], stream="chat-eu", incident_id=ID)
    with notifying(ledger, by_topic):
        killed = until(lambda: [t for t in texts(party) if t.startswith("KILLED")])
        until(lambda: all_done(ledger))
    assert "in its topic" in killed[0]
    assert "whether the service obeys, a topic cannot tell" in killed[0]
    with ledger.begin() as conn:
        assert state(conn)["chat", ""].confirmed_ms is None
    assert "kill_published" in steps(ledger)


def test_beside_a_webhook_only_the_webhook_confirms(ledger, by_topic, party):
    party.answer = lambda request: Answer(503) if request.path == "/kill" else Answer(200, b"ok")
    changed(ledger, trip, by_topic.kill_switches["both"])
    with notifying(ledger, by_topic):
        until(lambda: [row.state for row in sent(ledger, "both (topic)")] == ["delivered"])
        until(lambda: [t for t in texts(party) if t.startswith("KILL NOT CONFIRMED")])
        with ledger.begin() as conn:
            assert state(conn)["both", ""].confirmed_ms is None
        party.first()
        until(lambda: all_done(ledger))
    with ledger.begin() as conn:
        assert state(conn)["both", ""].confirmed_ms is not None
    assert len([t for t in texts(party) if t.startswith("KILLED")]) == 1


def test_with_per_each_value_has_a_key_of_its_own(ledger, by_topic, kafka, switches_topic):
    for model in ("chat-eu", "chat-us"):
        changed(ledger, trip, by_topic.kill_switches["each"], stream=model)
    changed(ledger, release, by_topic.kill_switches["each"], stream="chat-eu")
    with notifying(ledger, by_topic):
        until(lambda: all_done(ledger))
    newest = {key: value["state"] for key, value in records(kafka.bootstrap_servers, switches_topic)}
    assert newest == {"each/chat-eu": "released", "each/chat-us": "tripped"}


def test_every_start_sends_every_state_again_with_its_sequence_and_tells_nobody(
    ledger, by_topic, kafka, switches_topic, party
):
    first = changed(ledger, trip, by_topic.kill_switches["chat"])
    changed(ledger, trip, by_topic.kill_switches["each"], stream="chat-us")
    for _ in range(3):
        with notifying(ledger, by_topic):
            until(lambda: all_done(ledger))
            until(lambda: not mirrors_wait(ledger))
    found = records(kafka.bootstrap_servers, switches_topic)
    mine = [value for key, value in found if key == "chat"]
    assert [value["sequence"] for value in mine] == [first.sequence] * 3
    assert mine[0] == mine[1] == mine[2]
    assert sorted(key for key, _ in found) == ["chat"] * 3 + ["each/chat-us"] * 3
    assert len([t for t in texts(party) if t.startswith("KILLED")]) == 2


def test_what_came_into_the_topic_late_does_not_stay_the_last_word(ledger, by_topic, kafka, switches_topic):
    chat, every = by_topic.kill_switches["chat"], timedelta(seconds=0.5)
    with notifying(ledger, by_topic, mirror_every=every) as notifier:
        changed(ledger, trip, chat)
        last = changed(ledger, release, chat)
        notifier.wake()
        until(lambda: all_done(ledger))
        with closing(KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)) as late:
            late.send(switches_topic, b'{"state": "tripped", "sequence": 1}', key=b"chat").get(10)

        def mended():
            return records(kafka.bootstrap_servers, switches_topic)[-1][1]["sequence"] == last.sequence

        until(mended)
    assert len([row for row in rows(ledger) if row.kind == "switch_mirror"]) == 1


def mirrors_wait(ledger):
    return [row for row in rows(ledger) if row.kind == "switch_mirror" and row.state == "pending"]


def test_what_changed_while_the_broker_was_away_is_told_by_its_newest_state(
    ledger, configured, party, tmp_path
):
    with local_kafka(data_dir=tmp_path / "kafka") as server:
        create(server, "switches", {"cleanup.policy": "compact"})
        config = configured(server.bootstrap_servers, "switches")
        chat = config.kill_switches["chat"]
        with notifying(ledger, config) as notifier:
            changed(ledger, trip, chat)
            notifier.wake()
            until(lambda: all_done(ledger))
            server.stop()
            changed(ledger, release, chat)
            notifier.wake()
            until(lambda: any(r.last_error for r in sent(ledger, "chat (topic)")), 40)
            last = changed(ledger, trip, chat)
            until(lambda: any(t.startswith("KILL NOT CONFIRMED") for t in texts(party)), 40)
            server.start()
            until(lambda: all_done(ledger), 60)
        found = [value for _, value in records(server.bootstrap_servers, "switches")]
    assert found[0]["state"] == "tripped"
    assert found[-1]["sequence"] == last.sequence
    assert [value["sequence"] for value in found] == sorted(value["sequence"] for value in found)
    states = [row.state for row in sent(ledger, "chat (topic)")]
    assert states == ["delivered", "superseded", "delivered"]


def create(server, name, configs):
    with closing(KafkaAdminClient(bootstrap_servers=server.bootstrap_servers)) as admin:
        topics = {name: {"num_partitions": 1, "replication_factor": 1, "configs": configs}}
        admin.create_topics(topics, wait_for_metadata=True)


def test_a_topic_that_is_missing_is_one_sentence_is_never_created_and_is_waited_for(
    ledger, configured, kafka, kafka_admin
):
    config = configured(kafka.bootstrap_servers, "switches-to-come")
    changed(ledger, trip, config.kill_switches["chat"])
    with notifying(ledger, config):
        said = until(lambda: sent(ledger, "chat (topic)")[0].last_error)
        assert said == (
            f"there is no topic switches-to-come at {kafka.bootstrap_servers} that this user may see: "
            "create it with cleanup.policy=compact (Tocsin never does) or let this user write to it"
        )
        until(lambda: sent(ledger, "chat (topic)")[0].attempts >= 3)
        assert "switches-to-come" not in kafka_admin.list_topics()
        create(kafka, "switches-to-come", {"cleanup.policy": "compact"})
        until(lambda: sent(ledger, "chat (topic)")[0].state == "delivered")


def test_a_topic_that_is_not_compacted_is_used_and_said_to_be_so(ledger, configured, kafka, topic, capsys):
    config = configured(kafka.bootstrap_servers, topic(cleanup_policy="delete"))
    changed(ledger, trip, config.kill_switches["chat"])
    with notifying(ledger, config):
        (row,) = until(lambda: [r for r in sent(ledger, "chat (topic)") if r.state == "delivered"])
    assert row.response.endswith("; cleanup.policy is delete: set compact, or it loses states")
    assert "a switch's topic is not compacted" in "".join(capsys.readouterr())


def test_rule_6_a_worker_that_stood_still_while_writing_does_not_have_the_last_word(
    ledger, by_topic, kafka, switches_topic, monkeypatch
):
    write, held, stood = SwitchTopic.send, threading.Event(), []

    def stand_still_once(self, message):
        if not stood:
            stood.append(message)
            held.wait(30)
        return write(self, message)

    monkeypatch.setattr(SwitchTopic, "send", stand_still_once)
    chat = by_topic.kill_switches["chat"]
    changed(ledger, trip, chat)
    with notifying(ledger, by_topic, lease_s=60), notifying(ledger, by_topic, lease_s=60):
        until(lambda: stood)
        last = changed(ledger, release, chat)
        until(lambda: [r.state for r in sent(ledger, "chat (topic)")] == ["superseded", "delivered"])
        held.set()
        until(lambda: len(sent(ledger, "chat (topic)")) == 3 and all_done(ledger))
    found = [value for _, value in records(kafka.bootstrap_servers, switches_topic)]
    assert [value["state"] for value in found] == ["released", "tripped", "released"]
    assert found[-1]["sequence"] == last.sequence


@pytest.mark.parametrize(
    ("before", "key", "stream"),
    [((), "chat", "chat-eu"), (("version",), "chat/v42", "v42")],
    ids=["none", "other"],
)
def test_a_changed_per_releases_what_nobody_could_any_more_and_empties_its_key(
    ledger, by_topic, kafka, switches_topic, party, before, key, stream
):
    """A switch that a model was stopped by was lost with its old `per`: the service stayed stopped for ever."""
    chat = replace(by_topic.kill_switches["chat"], per=("model",))
    now = replace(by_topic, kill_switches={**by_topic.kill_switches, "chat": chat})
    changed(ledger, trip, replace(chat, per=before), stream=stream)
    changed(ledger, trip, chat, stream="chat-us")
    for _ in range(2):
        with notifying(ledger, now):
            until(lambda: all_done(ledger))
            until(lambda: not mirrors_wait(ledger))
    found = records(kafka.bootstrap_servers, switches_topic)
    mine = [value and value["state"] for name, value in found if name == key]
    assert mine == ["released", None]
    assert {v["state"] for name, v in found if name == "chat/chat-us"} == {"tripped"}
    with ledger.begin() as conn:
        assert [name for name in state(conn) if name[0] == "chat"] == [("chat", "chat-us")]
        reason = conn.execute(
            select(kill_event.c.reason).where(kill_event.c.action == "released")
        ).scalar_one()
    assert reason == f"alerts.yaml has per: [model] now, it was per: [{', '.join(before)}]"
    assert len([t for t in texts(party) if t.startswith("RELEASED")]) == 1


def test_a_released_state_of_another_per_is_emptied_too_and_comes_back_with_its_per(
    ledger, by_topic, kafka, switches_topic
):
    each = by_topic.kill_switches["each"]
    shared = replace(by_topic, kill_switches={**by_topic.kill_switches, "each": replace(each, per=())})
    for change in (trip, release):
        changed(ledger, change, each, stream="chat-eu")
    for config in (shared, by_topic):
        with notifying(ledger, config):
            until(lambda: all_done(ledger))
            until(lambda: not mirrors_wait(ledger))
    assert [v and v["state"] for _, v in records(kafka.bootstrap_servers, switches_topic)] == [
        "released",
        None,
    ]
    changed(ledger, trip, each, stream="chat-eu")
    with ledger.begin() as conn:
        assert state(conn)["each", "chat-eu"].tripped
