"""Whatever is asked over HTTP gets an answer that is documented, and garbage never a 500 (schemathesis)."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from web_token import TOKEN

from monitor.web.app import web_app
from monitor.web.board import Switchboard
from monitor.web.openapi import openapi
from monitor.web.protect import PROBES, Rate
from monitor.web.status import Status

document = schemathesis.openapi.from_dict(openapi())
document.config.generation.update(modes=list(GenerationMode))
CONFORMS = [status_code_conformance, content_type_conformance, response_schema_conformance]
OPERATIONS = [(method.upper(), path) for path, of in openapi()["paths"].items() for method in of]
KINDS = [
    "",
    "text/plain",
    "application/xml",
    "multipart/form-data; boundary=x",
    "application/json; charset=utf-16",
    "*/*",
]
WITH_TOKEN = {"authorization": f"Bearer {TOKEN}"}
few = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.filter_too_much,
        HealthCheck.too_slow,
    ],
)


@pytest.fixture
def served(serving):
    with serving(rate=Rate(per_s=1e6, burst=1e6)) as client:
        yield client


@document.parametrize()
@few
def test_every_answer_is_documented(case, served):
    answer = case.call(base_url=str(served.base_url), headers=WITH_TOKEN)
    case.validate_response(answer, checks=[*CONFORMS, negative_data_rejection])
    assert answer.status_code < 500


@document.parametrize()
@few
def test_without_the_token_or_with_another_every_answer_but_the_probes_is_401(case, served):
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {TOKEN}"}):
        answer = case.call(base_url=str(served.base_url), headers=headers)
        assert (answer.status_code == 401) is (case.path not in PROBES)
        case.validate_response(answer, checks=CONFORMS)


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
@few
@given(
    kind=st.sampled_from(KINDS),
    body=st.binary(max_size=60) | st.sampled_from([b"[" * 20_000, b'"' * 3, b"null"]),
)
def test_a_body_of_another_kind_is_refused_or_not_looked_at(served, method, path, kind, body):
    place = path.replace("{switch}", "chat").replace("{key}", "chat.enabled")
    answer = served.request(method, place, content=body, headers={"content-type": kind} if kind else {})
    documented = openapi()["paths"][path][method.lower()]["responses"]
    assert str(answer.status_code) in documented
    assert answer.status_code < 500
    assert "html" not in answer.headers["content-type"]


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_other_methods_are_405_and_say_which_there_are(served, method, path):
    place = path.replace("{switch}", "chat").replace("{key}", "chat.enabled")
    for other in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - {method}:
        answer = served.request(other, place)
        assert answer.status_code == 405
        assert method in answer.headers["allow"].split(", ")


@pytest.mark.parametrize("place", ["/nowhere", "/api/kill/a%0Ab/release", "/metrics/x"])
def test_a_page_that_is_not_there_is_told_like_every_other_error(served, place):
    answer = served.post(place)
    assert (answer.status_code, answer.json()) == (404, {"errorDetails": "Not Found"})


def test_every_route_is_in_the_document(ledger, settings):

    def named(path):
        return path.replace(":path", "")

    app = web_app(Status, TOKEN, Switchboard(settings, ledger))
    told = [route for route in app.routes if route.include_in_schema]
    routes = {(method, named(route.path)) for route in told for method in route.methods - {"HEAD"}}
    assert routes == set(OPERATIONS)


def test_the_document_is_served(served):
    assert served.get("/openapi.json").json() == openapi()
