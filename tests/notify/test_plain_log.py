"""The plain log: a line for each message, as loud as the incident is severe."""

from structlog.testing import capture_logs
from test_receivers import message

from monitor.notify.plain_log import PlainLog


def test_a_message_is_one_line_with_what_and_where():
    with capture_logs() as lines:
        assert PlainLog({}, "prod").send(message("hook")).response == "logged"
    (line,) = lines
    assert (line["log_level"], line["message"], line["incident"]) == ("error", "opened", "k3v9q2m7ab")
    assert line["event"] == "chat-eu: 96% of requests fail, was 0.4%"
    assert (line["name"], line["rule"], line["stream"]) == ("prod", "errors", "chat-eu")
