"""What real libraries wrote against a server that answers, fails and calls tools, and what each is to be read as.

Without stack traces, and without what nothing reads. `library` is the version that wrote it.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from mapping_building import by_preset

CASES = [json.loads(line) for line in (Path(__file__).with_name("captured.jsonl")).read_text().splitlines()]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['library']}: {case['case']}")
def test_a_captured_message_is_read_as_what_happened(case: dict[str, Any]) -> None:
    read = by_preset(case["preset"], case["message"])
    [record] = read.records()
    assert {name: record.get(name) for name in case["reads"]} == case["reads"]
    assert read.dropped == {}


def test_a_call_of_a_tool_is_no_empty_answer_and_a_refusal_to_speak_is() -> None:
    calls = [case for case in CASES if "tool" in case["case"]]
    assert [case["reads"]["output"] for case in calls] == [None] * 3
    body = {
        "model": "m",
        "choices": [{"message": {"role": "assistant", "content": ""}, "finish_reason": "stop"}],
    }
    [record] = by_preset("kserve", body, headers=[KSERVE]).records()
    assert record["output"] == ""


KSERVE = [
    ("ce_type", b"org.kubeflow.serving.inference.response"),
    ("ce_inferenceservicename", b"chat"),
    ("ce_id", b"1"),
]
