"""The HTTP pages over a real connection: who may read what, and what they say."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families

from monitor.errors import UsageError
from monitor.web.metrics import METRICS
from monitor.web.server import WebServer
from monitor.web.status import Status

# Section 5 of the contract, the one that rule 8 adds, labels that come later, and reloads.
CONTRACT = """
tocsin_records_total{topic,result} tocsin_consumer_lag{topic,partition} tocsin_watermark_age_seconds
tocsin_judge_leader tocsin_incidents{severity,state} tocsin_deliveries_total{receiver,result}
tocsin_outbox_oldest_seconds tocsin_kill_switch_tripped{switch} tocsin_error_budget_left_ratio{rule,stream}
tocsin_fields_dropped_total{field} tocsin_labels_total{result} tocsin_config_good
"""

BUSY = Status(
    alive={"ingest": None, "judge": None},
    ready={"kafka": None, "postgres": None},
    records={("predictions", "counted"): 1_500, ("predictions", "not_json"): 2},
    lag={("predictions", 0): 7, ("predictions", 1): 0},
    watermark_age_s=4.5,
    leader=True,
    incidents={("critical", "firing"): 1, ("warning", "resolved"): 3},
    deliveries={("default", "delivered"): 4, ('a"b\\c\nd', "failed"): 1},
    outbox_oldest_s=0.0,
    tripped={"chat": True, "search": False},
    error_budgets={("slo", "chat-eu"): -0.25},
    fields_dropped={"latency_ms": 9},
    labels={"judged": 5, "unmatched": 2},
    config_good=True,
)


@contextmanager
def serving(
    status: Status | Callable[[], Status] = BUSY, host: str = "127.0.0.1", token: str | None = None
) -> Iterator[httpx.Client]:
    read = status if callable(status) else lambda: status
    server = WebServer(read, host=host, port=0, token=token)
    server.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=5) as client:
            yield client
    finally:
        assert server.stop(within_s=4)


@pytest.fixture(scope="module")
def busy() -> Iterator[httpx.Client]:
    with serving() as client:
        yield client


def scraped(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    labels = {row.name: row.labels for row in METRICS}
    return {
        (sample.name, tuple(sample.labels[label] for label in labels[sample.name])): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_metrics_are_those_of_the_contract_and_no_others():
    promised = {
        name: tuple(filter(None, (labels or "").split(",")))
        for name, labels in re.findall(r"(tocsin_\w+)(?:\{([\w,]+)\})?", CONTRACT)
    }
    assert {row.name: row.labels for row in METRICS} == promised
    assert all(row.help.endswith(".") for row in METRICS)


def test_counters_are_named_as_counters_and_nothing_else_is():
    assert {row.name for row in METRICS if row.type == "counter"} == {
        row.name for row in METRICS if row.name.endswith("_total")
    }


def test_every_value_of_the_status_is_scraped(busy: httpx.Client):
    answer = busy.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert scraped(answer.text) == {
        ("tocsin_records_total", ("predictions", "counted")): 1_500,
        ("tocsin_records_total", ("predictions", "not_json")): 2,
        ("tocsin_fields_dropped_total", ("latency_ms",)): 9,
        ("tocsin_labels_total", ("judged",)): 5,
        ("tocsin_labels_total", ("unmatched",)): 2,
        ("tocsin_consumer_lag", ("predictions", "0")): 7,
        ("tocsin_consumer_lag", ("predictions", "1")): 0,
        ("tocsin_watermark_age_seconds", ()): 4.5,
        ("tocsin_judge_leader", ()): 1,
        ("tocsin_config_good", ()): 1,
        ("tocsin_incidents", ("critical", "firing")): 1,
        ("tocsin_incidents", ("warning", "resolved")): 3,
        ("tocsin_deliveries_total", ("default", "delivered")): 4,
        ("tocsin_deliveries_total", ('a"b\\c\nd', "failed")): 1,
        ("tocsin_outbox_oldest_seconds", ()): 0,
        ("tocsin_kill_switch_tripped", ("chat",)): 1,
        ("tocsin_kill_switch_tripped", ("search",)): 0,
        ("tocsin_error_budget_left_ratio", ("slo", "chat-eu")): -0.25,
    }


def test_types_and_help_of_the_registry_are_scraped(busy: httpx.Client):
    families = {f.name: f for f in text_string_to_metric_families(busy.get("/metrics").text)}
    for row in METRICS:
        family = families[row.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (row.type, row.help)


def test_openmetrics_is_spoken_to_who_asks_for_it(busy: httpx.Client):
    answer = busy.get("/metrics", headers={"accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert {f.name for f in parse_openmetrics(answer.text)} == {
        r.name.removesuffix("_total") for r in METRICS
    }


def test_what_is_not_known_has_no_sample():
    with serving(Status()) as client:
        assert scraped(client.get("/metrics").text) == {("tocsin_judge_leader", ()): 0}


def test_readyz_names_what_is_missing_and_why():
    status = Status(ready={"kafka": "no broker answers at kafka:9092", "postgres": None})
    with serving(status) as client:
        answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "parts": ["kafka", "postgres"],
        "missing": {"kafka": "no broker answers at kafka:9092"},
    }


def test_readyz_is_good_once_everything_is_there(busy: httpx.Client):
    answer = busy.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


def test_healthz_does_not_care_for_dependencies_but_for_its_own_parts():
    with serving(Status(alive={"judge": None}, ready={"kafka": "gone"})) as client:
        assert client.get("/healthz").status_code == 200
    with serving(Status(alive={"judge": "no tick for 34 s"})) as client:
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["missing"]) == (503, {"judge": "no tick for 34 s"})


def test_an_address_that_others_reach_is_refused_without_a_token():
    with pytest.raises(UsageError, match=r"http\.host 0\.0\.0\.0 .* needs http\.token"):
        WebServer(Status, host="0.0.0.0", port=0, token=None)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_metrics_need_the_token_where_there_is_one_and_the_probes_never_do(host: str):
    with serving(host=host, token="s3cret") as client:
        assert client.get("/healthz").status_code == 200
        assert client.get("/readyz").status_code == 200
        refused = client.get("/metrics")
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert "tocsin_" not in refused.text
        for wrong in ("Bearer s3cre", "Bearer s3cret1", "Basic s3cret", "s3cret", "Bearer", "Bearer ü"):
            headers = {"authorization": wrong.encode()}
            assert client.get("/metrics", headers=headers).status_code == 401
        assert client.get("/metrics", headers={"authorization": "Bearer s3cret"}).status_code == 200


@pytest.mark.parametrize("path", ["/", "/metrics/x", "/docs"])
def test_other_pages_are_not_there(busy: httpx.Client, path: str):
    assert busy.get(path).status_code == 404


def test_nothing_can_be_posted(busy: httpx.Client):
    assert busy.post("/metrics").status_code == 405


def test_a_port_that_is_taken_is_said_in_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"cannot serve HTTP on 127\.0\.0\.1 port {port}: .*http\.port"):
            WebServer(Status, host="127.0.0.1", port=port, token=None)


def test_a_status_that_cannot_be_read_is_an_error_of_that_page_and_no_more():
    statuses = iter([RuntimeError("no status"), Status()])

    def broken_once() -> Status:
        status = next(statuses)
        if isinstance(status, Exception):
            raise status
        return status

    with serving(broken_once) as client:
        first, second = (httpx.get(client.base_url.join("/metrics")).status_code for _ in range(2))
    assert (first, second) == (500, 200)


def test_stopping_keeps_its_deadline_while_a_request_hangs():
    release, entered = threading.Event(), threading.Event()

    def slow() -> Status:
        entered.set()
        release.wait(20)
        return Status()

    server = WebServer(slow, host="127.0.0.1", port=0, token=None)
    server.start()
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert entered.wait(5)
        started = time.monotonic()
        stopped = server.stop(within_s=2)
        took = time.monotonic() - started
        release.set()
    assert took < 3
    assert stopped
