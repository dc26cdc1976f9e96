"""Presets read what the products write: fixtures by their own libraries (tests/records/formats/make.py)."""

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from mapping_building import Log, Read, form_of, mapped

from monitor.cli.enveloped import unpacked
from monitor.config.mapping import preset
from monitor.config.presets import PRESETS

FIXTURES = Path(__file__).parent / "formats"
END_MS = 1_731_553_200_000
ASKED, ANSWER = "Where is my parcel?", "It is on its way."


def read(name: str) -> Read:
    messages, headers = unpacked((FIXTURES / f"{name}.jsonl").read_bytes().splitlines())
    found = Log(preset(name), headers=headers).read(*messages)
    assert found.reasons() == {}
    assert found.dropped == {}
    return found


def without(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in record.items() if name not in names}


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_has_a_fixture_with_records_and_with_messages_that_are_none(name: str) -> None:
    found = read(name)
    assert len(found.records()) >= 2
    assert all(r.get("model") for r in found.records()) or preset(name).nameless
    assert len(found.decoded.ignored) >= (name not in ("openinference", "tabular"))


def test_the_docs_have_a_row_for_each_preset() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text()
    rows = re.findall(r"^\| `([a-z-]+)` \|", page.partition("## The mapping")[0], re.MULTILINE)
    assert sorted(set(rows) - {"format"}) == sorted(PRESETS)


def test_the_mapping_in_the_docs_is_one() -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text().partition("## The mapping")[2]
    block = textwrap.dedent(page.partition("```yaml\nsource:\n")[2].partition("```")[0])
    [record] = mapped(
        block, {"scorer": "fraud-v7", "finished_us": 2e15, "decision": "A", "outcome": "TIMEOUT"}
    )
    assert record == {"model": "fraud", "version": "v7", "ts": 2e12, "prediction": "A", "status": "timeout"}


def test_tabular_reads_usual_names_and_takes_no_decision_for_a_failure() -> None:
    approved, declined, broken, slow = read("tabular").records()
    assert approved == {
        "model": "credit", "version": "7", "id": "r-1", "ts": "2024-11-14T03:11:51Z", "status": "ok",
        "prediction": "APPROVE", "score": 0.12, "latency_ms": 18.5, "segment": {"country": "ch"},
    }  # fmt: skip
    assert (declined["status"], declined["label"]) == ("ok", "DECLINE")
    assert (broken["status"], broken["error_type"], broken["latency_ms"]) == (
        "error", "FeatureStoreError", 2_001,
    )  # fmt: skip
    assert (slow["status"], slow["version"], slow["segment"]) == ("timeout", "8", {"region": "eu"})


def test_litellm_tells_success_streams_and_failures() -> None:
    plain, stream, slow, limited, long = read("litellm").records()
    assert (plain["model"], plain["version"], plain["status"]) == ("chat-eu", "openai/gpt-4o-mini", "ok")
    assert (plain["input"], plain["output"], plain["finish_reason"]) == (ASKED, ANSWER, "stop")
    assert (plain["input_tokens"], plain["output_tokens"], plain["cost_usd"]) == (10, 20, 1.35e-05)
    assert "ttft_ms" not in plain
    assert 0 < stream["ttft_ms"] < stream["latency_ms"]
    assert [r["status"] for r in (slow, limited, long)] == ["timeout", "error", "rejected"]
    assert [r["error_type"] for r in (slow, limited)] == ["Timeout", "RateLimitError"]
    assert "version" not in slow
    assert [r["model"] for r in (slow, limited, long)] == ["chat-eu"] * 3


def test_otel_reads_new_and_older_names_and_vllms_server_spans() -> None:
    new, failed, older, vllm = read("otel").records()
    assert without(new, "trace_id") == {
        "id": "chatcmpl-1",
        "model": "gpt-4o",
        "version": "gpt-4o-2024-08-06",
        "ts": END_MS + 1_500,
        "latency_ms": 1_500,
        "ttft_ms": 250,
        "status": "ok",
        "input_tokens": 21,
        "output_tokens": 7,
        "finish_reason": "stop",
        "input": ASKED,
        "output": ANSWER,
        "segment": {"provider": "openai"},
    }
    assert (failed["status"], failed["error_type"], failed["error_message"]) == (
        "timeout",
        "timeout",
        "timed out",
    )
    assert (older["input"], older["output"], older["input_tokens"]) == (ASKED, ANSWER, 21)
    assert (vllm["model"], vllm["output_tokens"], vllm["ttft_ms"]) == ("llama", 7, 125)


def test_openinference_reads_flattened_messages_and_events() -> None:
    good, failed = read("openinference").records()
    assert without(good, "id", "trace_id") == {
        "model": "support",
        "version": "gpt-4o-2024-08-06",
        "ts": END_MS + 1_200,
        "latency_ms": 1_200,
        "ttft_ms": 300,
        "status": "ok",
        "input_tokens": 21,
        "output_tokens": 7,
        "cost_usd": 0.002,
        "finish_reason": "stop",
        "input": ASKED,
        "output": ANSWER,
        "user": "ada",
        "segment": {"provider": "openai"},
    }
    assert (failed["status"], failed["error_type"]) == ("error", "RateLimitError")


@pytest.mark.parametrize("name", ["kserve", "kserve-structured"])
def test_kserve_reads_both_modes_of_cloudevents_alike(name: str) -> None:
    v1, v2, chat = read(name).records()
    assert (v1["model"], v1["version"], v1["prediction"]) == ("fraud", "default", "DECLINE")
    assert (v1["id"], v1["ts"], v1["status"]) == ("id-1", "2024-11-14T03:00:01Z", "ok")
    assert (v2["model"], v2["version"], v2["prediction"]) == ("fraud", "7", 1)
    assert (chat["output"], chat["output_tokens"], chat["finish_reason"]) == (ANSWER, 7, "stop")
    assert chat["segment"] == {"namespace": "prod", "component": "predictor", "endpoint": "default"}


ANSWERED = [("ce_type", b"org.kubeflow.serving.inference.response"), ("ce_inferenceservicename", b"fraud")]


def of_kserve(text: str, body: Any) -> Read:
    return Log(form_of(text), headers=[ANSWERED]).read(body)


@pytest.mark.parametrize(
    "body",
    [
        {"predictions": ["A", "B"]},
        {"outputs": [{"name": "out", "shape": [2], "data": ["A", "B"]}]},
        {"outputs": [{"name": "out", "shape": [2, 1], "datatype": "BYTES", "data": ["A", "B"]}]},
    ],
    ids=["V1", "V2", "V2 of two dimensions"],
)
def test_kserve_gives_a_record_of_each_prediction_of_a_batch(body: dict[str, Any]) -> None:
    found = of_kserve("format: kserve", body | {"model_version": "7"})
    assert [(r["model"], r["version"], r["prediction"]) for r in found.records()] == [
        ("fraud", "7", "A"),
        ("fraud", "7", "B"),
    ]
    assert found.dropped == {}


@pytest.mark.parametrize("data", [[0.1, 0.9, 0.7, 0.3], [[0.1, 0.9], [0.7, 0.3]]], ids=["flat", "nested"])
def test_rows_of_a_tensor_are_cut_by_its_shape_and_their_places_can_be_mapped(data: list[Any]) -> None:
    body = {"model_name": "m", "outputs": [{"name": "proba", "shape": [2, 2], "data": data}]}
    found = of_kserve("{format: kserve, map: {score: /1}}", body)
    assert [(r.get("prediction"), r["score"]) for r in found.records()] == [(None, 0.9), (None, 0.3)]
    assert found.dropped == {}


def test_an_empty_batch_holds_no_record() -> None:
    found = of_kserve("format: kserve", {"outputs": [{"shape": [0, 2], "data": []}]})
    assert (found.records(), list(found.decoded.ignored), found.reasons()) == ([], [0], {})


@pytest.mark.parametrize("shape", [[3], [], "2", [2.0], [-1], [True], None])
def test_a_shape_that_does_not_fit_is_no_array(shape: Any) -> None:
    text = "{each: {field: /outputs/0/data, shape: /outputs/0/shape}, map: {model: 'outer:/m'}}"
    found = Log(form_of(text)).read({"m": "x", "outputs": [{"shape": shape, "data": [1, 2]}]})
    assert found.reasons() == {0: "no_items"}


def test_evaluations_are_ratings_and_verdicts_on_the_answer_with_their_id() -> None:
    relevant, incorrect, older = read("otel-evaluations").records()
    assert without(relevant, "segment") == {
        "id": "chatcmpl-1", "type": "feedback", "ts": 1_731_553_200_000.0, "rating": 0.9, "correct": True,
    }  # fmt: skip
    assert (incorrect["id"], incorrect["rating"], incorrect["correct"]) == ("0000000000000abc", 0, False)
    assert (older["id"], older.get("correct"), older.get("rating")) == ("chatcmpl-1", None, None)
    assert [r["segment"]["evaluation"] for r in (relevant, incorrect)] == ["Relevance", "Correctness"]
    assert preset("otel-evaluations").type == "feedback"


@pytest.mark.parametrize("name", ["apisix", "kong"])
def test_gateways_give_the_time_of_completion_and_statuses_by_http_code(name: str) -> None:
    first, *others = read(name).records()
    assert (first["model"], first["version"]) == ("chat-eu", "gpt-4o-2024-08-06")
    assert (first["ts"], first["latency_ms"]) == (END_MS + 900, 900)
    assert (first["input"], first["output"], first["output_tokens"]) == (ASKED, ANSWER, 7)
    assert first.get("ttft_ms") == (250 if name == "apisix" else None)
    wished = ["timeout", "rejected", "error"] if name == "apisix" else ["rejected", "error"]
    assert [r["status"] for r in others] == wished
    assert [r.get("ttft_ms") for r in others] == [None] * len(others)


def test_seldon_takes_headers_with_and_without_the_prefix() -> None:
    good, failed = read("seldon").records()
    assert (good["model"], good["version"], good["id"], good["status"]) == (
        "fraud",
        "classifier-v2",
        "r-1",
        "ok",
    )
    assert (failed["model"], failed["status"], failed["error_type"]) == (
        "fraud",
        "error",
        "MICROSERVICE_ERROR",
    )
