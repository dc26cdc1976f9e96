"""Spans that two instrumentations wrote of one request: `inspect` says so, and how to count it once."""

import json
from typing import Any

import pytest

from monitor.cli.inspect.concerns import concerns
from monitor.cli.inspect.reading import Reading, decoded
from monitor.cli.inspect.study import study
from monitor.cli.inspect.taking import Taken
from monitor.config.mapping import read_format
from monitor.config.problem import Report
from monitor.config.section import Section
from monitor.config.tree import parse
from monitor.records.formats.language import Format

OUTER, INNER = "opentelemetry.instrumentation.genai.anthropic", "com.anthropic.sdk.python"
KINDS = {
    "otel": {"gen_ai.operation.name": "chat", "gen_ai.request.model": "claude"},
    "openinference": {"openinference.span.kind": "LLM", "llm.model_name": "claude"},
}


def span(i: int, attributes: dict[str, str], span_id: str, parent: str = "") -> dict[str, Any]:
    at = 1_763_000_000_000_000_000 + i * 10**9
    return {
        "traceId": f"{i:032x}", "spanId": span_id, "parentSpanId": parent, "name": "chat claude",
        "startTimeUnixNano": str(at), "endTimeUnixNano": str(at + 10**8), "status": {},
        "attributes": [{"key": k, "value": {"stringValue": v}} for k, v in attributes.items()],
    }  # fmt: skip


def message(*by_scope: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]}
    scopes = [{"scope": {"name": name}, "spans": [spans]} for name, spans in by_scope]
    return {"resourceSpans": [{"resource": resource, "scopeSpans": scopes}]}


def requests(preset: str, n: int, inner: str = INNER) -> list[dict[str, Any]]:
    """The span inside ends first, and every other time leaves in a message of its own."""
    made = []
    for i in range(n):
        inside = (inner, span(i, KINDS[preset], f"{i:08x}aaaaaaaa", f"{i:08x}bbbbbbbb"))
        around = (OUTER, span(i, KINDS[preset], f"{i:08x}bbbbbbbb"))
        made += [message(inside, around)] if i % 2 else [message(inside), message(around)]
    return made


def log(messages: list[dict[str, Any]]) -> Taken:
    return Taken("spans.jsonl", [json.dumps(m).encode() for m in messages])


def said(messages: list[dict[str, Any]]) -> str | None:
    found = concerns(study(log(messages)))
    return next((c.sentence for c in found if c.kind == "counted_twice"), None)


def form_of(source: str) -> Format:
    node = parse(source, report := Report("source"))
    assert node is not None
    form = read_format(Section(node, report))
    assert form is not None
    assert report.problems == []
    return form


@pytest.mark.parametrize("preset", KINDS)
def test_what_inspect_advises_counts_each_request_once(preset: str) -> None:
    messages = requests(preset, 60)
    taken = log(messages)
    assert decoded(taken, Reading(preset).form).n == 120
    sentence = said(messages)
    assert sentence is not None
    assert sentence.startswith(
        f"50% of records count a request again: {INNER} writes a span inside that of {OUTER}."
    )
    _, _, where = sentence.partition("source.where: ")
    assert decoded(taken, form_of(f"format: {preset}\nwhere: {where}\n")).n == 60


def test_spans_of_one_instrumentation_and_of_requests_beside_each_other_are_no_doubles() -> None:
    assert said(requests("otel", 60, inner=OUTER)) is None
    alone = [message((OUTER, span(i, KINDS["otel"], f"{i:016x}", "f" * 16))) for i in range(60)]
    assert said(alone) is None


def test_spans_that_say_no_id_are_in_no_other() -> None:
    lone = [message(((OUTER, INNER)[i % 2], span(i, KINDS["otel"], ""))) for i in range(60)]
    for one in lone:
        del one["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["spanId"]
    assert said(lone) is None
