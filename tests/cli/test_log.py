"""One line an event, readable by people or by machines, and repeated conditions said once."""

import io
import json
import logging

import pytest
import structlog

from monitor.cli.log import Conditions, configure_log
from monitor.errors import UsageError


@pytest.fixture(autouse=True)
def _restored_logging():
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    for name in ("kafka", "httpx"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    structlog.reset_defaults()


def lines_of(environ: dict[str, str], *events: tuple[str, dict]) -> list[str]:
    stream = io.StringIO()
    configure_log(environ, stream)
    for event, facts in events:
        structlog.get_logger("test").info(event, **facts)
    return stream.getvalue().splitlines()


def test_an_event_is_one_line_of_key_and_value():
    (line,) = lines_of({}, ("checkpoint_stored", {"partition": 3, "records": 500}))
    assert line.endswith("checkpoint_stored partition=3 records=500")
    assert "\x1b" not in line


def test_json_is_one_object_a_line():
    (line,) = lines_of({"TOCSIN_LOG": "json"}, ("incident_opened", {"stream": "chat-zürich"}))
    event = json.loads(line)
    assert event.pop("at").endswith("Z")
    assert event == {"event": "incident_opened", "level": "info", "stream": "chat-zürich"}


def test_a_value_with_line_breaks_stays_on_its_line():
    for environ in ({}, {"TOCSIN_LOG": "json"}):
        assert len(lines_of(environ, ("skipped", {"detail": "a\nb"}))) == 1


def test_a_form_that_is_not_known_is_refused():
    with pytest.raises(UsageError, match="TOCSIN_LOG is 'xml': use text or json"):
        configure_log({"TOCSIN_LOG": "xml"})


def test_the_standard_librarys_loggers_come_out_in_the_same_form():
    stream = io.StringIO()
    configure_log({"TOCSIN_LOG": "json"}, stream)
    logging.getLogger("somebody").warning("%d of %d", 1, 2)
    assert json.loads(stream.getvalue())["event"] == "1 of 2"


def test_libraries_that_repeat_themselves_or_show_secrets_are_quiet():
    stream = io.StringIO()
    configure_log({}, stream)
    logging.getLogger("kafka.conn").error("connection refused")
    logging.getLogger("httpx").info("POST https://hooks.example/T0/B0/secret")
    assert stream.getvalue() == ""


def test_an_exception_keeps_its_traceback():
    stream = io.StringIO()
    configure_log({"TOCSIN_LOG": "json"}, stream)
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        structlog.get_logger("test").exception("rule_failed", rule="errors")
    assert "RuntimeError: broken" in json.loads(stream.getvalue())["exception"]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_condition_is_said_when_it_begins_and_when_it_ends_and_not_in_between():
    clock = Clock()
    with structlog.testing.capture_logs() as said:
        conditions = Conditions(structlog.get_logger(), clock)
        noted = [conditions.begin("kafka_unreachable", reason="refused") for _ in range(3)]
        clock.now = 12.34
        ended = [conditions.end("kafka_unreachable") for _ in range(2)]
    assert (noted, ended) == ([True, False, False], [True, False])
    assert said == [
        {"event": "kafka_unreachable", "log_level": "warning", "reason": "refused"},
        {"event": "kafka_unreachable_over", "log_level": "info", "lasted_s": 12.3, "times": 3},
    ]


def test_a_condition_that_comes_back_is_said_again_and_each_for_itself():
    with structlog.testing.capture_logs() as said:
        conditions = Conditions(structlog.get_logger(), Clock())
        for about in ("slack", "pager"):
            conditions.begin("receiver_failing", about)
        conditions.end("receiver_failing", "slack")
        conditions.begin("receiver_failing", "slack")
    assert [(line["event"], line["about"]) for line in said] == [
        ("receiver_failing", "slack"),
        ("receiver_failing", "pager"),
        ("receiver_failing_over", "slack"),
        ("receiver_failing", "slack"),
    ]
    assert conditions.holds("receiver_failing", "pager")
