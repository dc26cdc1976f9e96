"""Makes the fixtures beside it, with the libraries that write these formats; run it in a venv of its own:

    pip install litellm opentelemetry-exporter-otlp-proto-common openinference-instrumentation cloudevents
    python tests/records/formats/make.py

Those of APISIX, Kong and Seldon are not made here but written after the sources of their plugins, in Lua and Java.
A line is a message, or `{"headers": ..., "value": ...}` where the format has its attributes in Kafka's headers.
"""

import asyncio
import base64
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

import litellm
from cloudevents.v1.http import CloudEvent
from cloudevents.v1.kafka import to_binary, to_structured
from google.protobuf.json_format import MessageToDict
from litellm.integrations.custom_logger import CustomLogger
from openinference.instrumentation import (
    Message,
    TokenCount,
    get_llm_attributes,
    get_span_kind_attributes,
    get_user_id_attributes,
)
from openinference.semconv.resource import ResourceAttributes
from opentelemetry._logs import LogRecord
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.trace import Status, StatusCode

HERE = Path(__file__).parent
START_NS = 1_731_553_200_000_000_000
ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Where is my parcel?"}]
ANSWER = "It is on its way."


def written(name: str, messages: Iterable[Any]) -> None:
    lines = [json.dumps(message, default=str) for message in messages]
    (HERE / f"{name}.jsonl").write_text("\n".join(lines) + "\n")


class Logger(CustomLogger):
    """Keeps what LiteLLM hands to every logger."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[dict[str, Any]] = []

    async def async_log_success_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self.seen.append(kwargs["standard_logging_object"])

    async def async_log_failure_event(
        self, kwargs: Any, response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        self.seen.append(kwargs["standard_logging_object"])


async def of_litellm() -> list[dict[str, Any]]:
    logger = Logger()
    litellm.callbacks = [logger]
    params = {"model": "openai/gpt-4o-mini", "api_key": "none"}
    group = {"model_name": "chat-eu", "litellm_params": params}
    router = litellm.Router(model_list=[group], num_retries=0)

    async def ask(**options: Any) -> None:
        try:
            answer = await router.acompletion(model="chat-eu", messages=ASKED, user="ada", **options)
            if options.get("stream"):
                async for _ in answer:
                    pass
        except Exception as error:
            print("as wished:", type(error).__name__)
        await asyncio.sleep(1)

    await ask(mock_response=ANSWER)
    await ask(mock_response=ANSWER, stream=True)
    for error in (
        litellm.Timeout("slow", "gpt-4o-mini", "openai"),
        litellm.RateLimitError("too many", "openai", "gpt-4o-mini"),
        litellm.ContextWindowExceededError("too long", "gpt-4o-mini", "openai"),
    ):
        await ask(mock_response=error)
    for seen in logger.seen:
        # Paths of the machine that made it, and a price list.
        seen["error_information"] = (seen.get("error_information") or {}) | {"traceback": ""}
        seen["hidden_params"]["additional_headers"] = None
        seen.pop("model_map_information", None)
    return [*logger.seen, {**logger.seen[0], "call_type": "aembedding"}]


def spans_of(resource: dict[str, str], spans: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Spans by the SDK, encoded by its OTLP exporter, as OTLP/JSON: ids in hex, enumerations as numbers."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create(resource))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("fixtures")
    for wished in spans:
        span = tracer.start_span(wished["name"], start_time=START_NS, attributes=wished["attributes"])
        for name, at_ns, attributes in wished.get("events", ()):
            span.add_event(name, attributes, timestamp=at_ns)
        if "failed" in wished:
            span.set_status(Status(StatusCode.ERROR, wished["failed"]))
        span.end(end_time=START_NS + wished["took_ms"] * 1_000_000)
    return otlp_json(encode_spans(exporter.get_finished_spans()), "Spans", "spans")


def otlp_json(message: Any, signal: str, items: str) -> dict[str, Any]:
    found = MessageToDict(message, use_integers_for_enums=True)
    for outer in found[f"resource{signal}"]:
        for scope in outer[f"scope{signal}"]:
            for item in scope[items]:
                for key in item.keys() & {"traceId", "spanId", "parentSpanId"}:
                    item[key] = base64.b64decode(item[key]).hex()
    return found


def of_otel() -> list[dict[str, Any]]:
    asked = json.dumps(
        [{"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]} for m in ASKED]
    )
    said = json.dumps(
        [{"role": "assistant", "parts": [{"type": "text", "content": ANSWER}], "finish_reason": "stop"}]
    )
    good = {
        gen_ai.GEN_AI_OPERATION_NAME: "chat",
        gen_ai.GEN_AI_PROVIDER_NAME: "openai",
        gen_ai.GEN_AI_REQUEST_MODEL: "gpt-4o",
        gen_ai.GEN_AI_RESPONSE_MODEL: "gpt-4o-2024-08-06",
        gen_ai.GEN_AI_RESPONSE_ID: "chatcmpl-1",
        gen_ai.GEN_AI_RESPONSE_FINISH_REASONS: ["stop"],
        gen_ai.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: 0.25,
        gen_ai.GEN_AI_USAGE_INPUT_TOKENS: 21,
        gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS: 7,
        gen_ai.GEN_AI_INPUT_MESSAGES: asked,
        gen_ai.GEN_AI_OUTPUT_MESSAGES: said,
    }
    failed = {
        gen_ai.GEN_AI_OPERATION_NAME: "chat",
        gen_ai.GEN_AI_REQUEST_MODEL: "gpt-4o",
        "error.type": "timeout",
    }
    older = {
        "gen_ai.system": "openai",
        "llm.request.type": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.usage.prompt_tokens": 21,
        "gen_ai.usage.completion_tokens": 7,
        "gen_ai.prompt.0.role": "system",
        "gen_ai.prompt.0.content": "Be brief.",
        "gen_ai.prompt.1.role": "user",
        "gen_ai.prompt.1.content": ASKED[1]["content"],
        "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": ANSWER,
    }
    tool = {gen_ai.GEN_AI_OPERATION_NAME: "execute_tool"}
    shop = [
        {"name": "chat gpt-4o", "attributes": good, "took_ms": 1500},
        {"name": "chat gpt-4o", "attributes": failed, "took_ms": 60000, "failed": "timed out"},
        {"name": "openai.chat", "attributes": older, "took_ms": 900},
        {"name": "execute_tool search", "attributes": tool, "took_ms": 5},
    ]
    vllm = {gen_ai.GEN_AI_USAGE_OUTPUT_TOKENS: 7, "gen_ai.latency.time_to_first_token": 0.125}
    return [
        spans_of({"service.name": "shop"}, shop),
        spans_of({"service.name": "llama"}, [{"name": "llm_request", "attributes": vllm, "took_ms": 700}]),
        spans_of({"service.name": "web"}, [{"name": "GET /", "attributes": {}, "took_ms": 3}]),
    ]


def of_otel_evaluations() -> list[dict[str, Any]]:
    """Events as SDKs log them: of a response by its id, of a span, of a failed evaluation, and one of another name."""
    about = {gen_ai.GEN_AI_RESPONSE_ID: "chatcmpl-1", gen_ai.GEN_AI_EVALUATION_NAME: "Relevance"}
    good = about | {
        gen_ai.GEN_AI_EVALUATION_SCORE_VALUE: 0.9,
        gen_ai.GEN_AI_EVALUATION_SCORE_LABEL: "relevant",
    }
    bad = {
        gen_ai.GEN_AI_EVALUATION_NAME: "Correctness",
        gen_ai.GEN_AI_EVALUATION_SCORE_VALUE: 0,
        gen_ai.GEN_AI_EVALUATION_SCORE_LABEL: "incorrect",
    }
    older = {
        "event.name": "gen_ai.evaluation.result",
        **about,
        gen_ai.GEN_AI_EVALUATION_SCORE_LABEL: "4 of 5",
    }
    result = "gen_ai.evaluation.result"
    events = [(result, good), (result, bad), (None, older), ("gen_ai.user.message", {})]
    return [logs_of(events), logs_of(events[-1:])]


def logs_of(events: Iterable[tuple[str | None, dict[str, Any]]]) -> dict[str, Any]:
    """Events by the SDK, encoded by its OTLP exporter; one without a response has a span."""
    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider(resource=Resource({"service.name": "judge"}))
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    for name, attributes in events:
        event = LogRecord(
            timestamp=START_NS, observed_timestamp=START_NS + 1, event_name=name, attributes=attributes
        )
        event.span_id, event.trace_id = (0, 0) if gen_ai.GEN_AI_RESPONSE_ID in attributes else (0xABC, 0xDEF)
        provider.get_logger("judge").emit(event)
    return otlp_json(encode_logs(exporter.get_finished_logs()), "Logs", "logRecords")


def of_openinference() -> list[dict[str, Any]]:
    attributes = {
        **get_span_kind_attributes("llm"),
        **get_llm_attributes(
            provider="openai",
            model_name="gpt-4o-2024-08-06",
            input_messages=[Message(**m) for m in ASKED],
            output_messages=[Message(role="assistant", content=ANSWER)],
            token_count=TokenCount(prompt=21, completion=7, total=28),
        ),
        **get_user_id_attributes(user_id="ada"),
        "llm.cost.total": 0.002,
        "llm.finish_reason": "stop",
    }
    first = ("First Token Stream Event", START_NS + 300_000_000, {})
    failure = {"exception.type": "RateLimitError", "exception.message": "too many"}
    failed = {**get_span_kind_attributes("llm"), **get_llm_attributes(model_name="gpt-4o-2024-08-06")}
    spans = [
        {"name": "ChatCompletion", "attributes": attributes, "took_ms": 1200, "events": [first]},
        {
            "name": "ChatCompletion",
            "attributes": failed,
            "took_ms": 80,
            "failed": "RateLimitError: too many",
            "events": [("exception", START_NS + 80_000_000, failure)],
        },
        {"name": "Chain", "attributes": get_span_kind_attributes("chain"), "took_ms": 1300},
    ]
    return [spans_of({ResourceAttributes.PROJECT_NAME: "support", "service.name": "api"}, spans)]


def events_of_kserve() -> list[CloudEvent]:
    """As kserve's pkg/logger builds them: one event for the request, one of the same id for the answer."""

    def event(kind: str, body: Any, number: int) -> CloudEvent:
        attributes = {
            "type": f"org.kubeflow.serving.inference.{kind}",
            "source": "http://localhost:9081/",
            "id": f"id-{number}",
            "time": datetime(2024, 11, 14, 3, 0, number, tzinfo=UTC).isoformat().replace("+00:00", "Z"),
            "inferenceservicename": "fraud",
            "namespace": "prod",
            "component": "predictor",
            "endpoint": "default",
            "datacontenttype": "application/json",
        }
        return CloudEvent(attributes, body)

    chat = {
        "model": "llama",
        "choices": [{"message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 21, "completion_tokens": 7},
    }
    v2 = {
        "model_name": "fraud",
        "model_version": "7",
        "outputs": [{"name": "out", "shape": [1], "data": [1]}],
    }
    return [
        event("request", {"instances": [[1, 2]]}, 1),
        event("response", {"predictions": ["DECLINE"]}, 1),
        event("response", v2, 2),
        event("response", chat, 3),
    ]


def enveloped(message: Any) -> dict[str, Any]:
    headers = {name: value.decode() for name, value in message.headers.items()}
    value = message.value if isinstance(message.value, dict) else json.loads(message.value)
    return {"headers": headers, "value": value}


def main() -> None:
    written("litellm", asyncio.run(of_litellm()))
    written("otel", of_otel())
    written("otel-evaluations", of_otel_evaluations())
    written("openinference", of_openinference())
    written("kserve", [enveloped(to_binary(event)) for event in events_of_kserve()])
    written("kserve-structured", [json.loads(to_structured(event).value) for event in events_of_kserve()])


if __name__ == "__main__":
    main()
