"""Whatever is asked over HTTP gets an answer that is documented, and garbage never a 500 (schemathesis)."""

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    response_schema_conformance,
    status_code_conformance,
)
from web_token import TOKEN

from monitor.web.openapi import openapi
from monitor.web.protect import Rate

schema = schemathesis.openapi.from_dict(openapi())


@pytest.fixture
def served(serving):
    with serving(rate=Rate(per_s=1e6, burst=1e6)) as client:
        yield client


@schema.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)
def test_every_answer_is_documented(case, served):
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = case.call(base_url=str(served.base_url), headers=headers)
    case.validate_response(answer, checks=[status_code_conformance, response_schema_conformance])


def test_the_document_is_served(served):
    assert served.get("/openapi.json").json() == openapi()
