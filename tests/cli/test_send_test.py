"""`send-test`: a marked message through the code of production, and what its exit code means."""

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor import cli
from monitor.local.receiver import PAGERDUTY, SLACK, Receiver, local_receiver

ALERTS = """
name: prod
source: {{bootstrap_servers: "${{KAFKA}}", topic: predictions}}
rules: [{{name: errors, signal: error, above: 2x, notify: [chat, pager, log]}}]
receivers:
  chat: {{slack: {{url: "{url}"}}}}
  pager: {{pagerduty: {{routing_key: 0123456789abcdef0123456789abcdef, url: "{pager}"}}}}
  log: {{log: {{}}}}
"""


def send(folder: Path, url: str, *arguments: str, pager: str = "http://127.0.0.1:9/") -> Result:
    path = folder / "alerts.yaml"
    path.write_text(ALERTS.format(url=url, pager=pager))
    return CliRunner().invoke(cli.cli, ["send-test", *arguments, "-c", str(path)], env={})


def bodies(receiver: Receiver, path: str) -> list[dict[str, object]]:
    return [json.loads(request.body) for request in receiver.received if request.path == path]


def test_a_message_arrives_and_says_that_it_is_a_test(tmp_path: Path) -> None:
    with local_receiver() as receiver:
        result = send(tmp_path, receiver.url(SLACK), "chat")
        (body,) = bodies(receiver, SLACK)
    assert (result.exit_code, result.stdout) == (0, "chat (slack) took it: HTTP 200 ok\n")
    assert str(body["text"]).startswith("TEST test-model: 31% of answers are German, was 2%\nThis is a test")


@pytest.mark.parametrize(("event", "begins"), [("resolved", "TEST RESOLVED"), ("killed", "TEST KILLED")])
def test_the_other_events_have_their_own_words(tmp_path: Path, event: str, begins: str) -> None:
    with local_receiver() as receiver:
        assert send(tmp_path, receiver.url(SLACK), "chat", "--event", event).exit_code == 0
        (body,) = bodies(receiver, SLACK)
    assert str(body["text"]).startswith(begins)


def test_a_resolve_ends_what_the_test_before_it_opened(tmp_path: Path) -> None:
    with local_receiver() as receiver:
        for event in ("opened", "resolved"):
            there = receiver.url(PAGERDUTY)
            assert (
                send(tmp_path, "http://127.0.0.1:9/", "pager", "--event", event, pager=there).exit_code == 0
            )
        opened, resolved = bodies(receiver, PAGERDUTY)
    assert (opened["event_action"], resolved["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == resolved["dedup_key"]


def test_a_refusal_exits_1_with_the_receivers_words(tmp_path: Path) -> None:
    with local_receiver(secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw") as receiver:
        result = send(tmp_path, receiver.url("/elsewhere"), "chat")
    assert result.exit_code == 1
    assert result.stderr.endswith("did not take it: answered HTTP 401 signature does not hold\n")


def test_a_receiver_that_is_not_there_exits_3(tmp_path: Path) -> None:
    result = send(tmp_path, "http://127.0.0.1:9/x", "chat")
    assert result.exit_code == 3
    assert "chat (slack) did not take it: no answer" in result.stderr


def test_an_unknown_receiver_is_wrong_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(ALERTS.format(url="http://127.0.0.1:9/x", pager="http://127.0.0.1:9/"))
    monkeypatch.setattr(sys, "argv", ["tocsin", "send-test", "chatt", "-c", str(path)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert left.value.code == 2
