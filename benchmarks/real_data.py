"""Five public data sets as prediction logs, each with the change that its README names.

`TOCSIN_REAL_DATA` names the folder; nothing of it is copied into this project.
"""

import csv
import gzip
import json
import random
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

Prediction = dict[str, Any]

SEED: Final = 20260101
OPTION: Final = re.compile(r"\([A-F]\)")
CIFAR: Final = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


@dataclass(frozen=True, slots=True)
class Stream:
    """Predictions before a change and after it.

    `expected` are the signals that must alarm, none where nothing changes; `drifts_by_itself` is the one that
    is known to move in the quiet part.
    """

    name: str
    change: str
    quiet: Sequence[Prediction]
    changed: Sequence[Prediction]
    expected: tuple[str, ...]
    drifts_by_itself: str = ""


def streams(folder: Path) -> Iterator[Stream]:
    """All streams that the data sets give."""
    yield _prime(folder)
    yield _opinions(folder)
    yield _happy_numbers(folder)
    yield _languages(folder)
    yield _classifiers(folder)
    yield from _azure(folder)
    yield _mooncake(folder)


def _prime(folder: Path) -> Stream:
    old, new = _versions(folder, "PRIME_FULL", "gpt-4")
    change = "gpt-4-0314 -> -0613 on PRIME: median answer 181 -> 3 tokens, 6.7 -> 1.5 s"
    return Stream("LLMDrift PRIME", change, old, new, ("output_tokens", "latency_ms"))


def _opinions(folder: Path) -> Stream:
    old, new = _versions(folder, "OPINIONQA", "gpt-4")
    for prediction in (*old, *new):
        prediction["valid_output"] = OPTION.search(prediction["output"]) is not None
    change = "gpt-4-0314 -> -0613 on OPINIONQA: answers without an option 2% -> 75%"
    return Stream("LLMDrift OPINIONQA", change, old, new, ("invalid_output",))


def _happy_numbers(folder: Path) -> Stream:
    old, new = _versions(folder, "COUNTAHAPPYNUMBER", "gpt-3.5-turbo")
    change = "gpt-3.5-0301 -> -0613 on HAPPYNUMBER: truncated answers 3.6% -> 16.2%"
    return Stream("LLMDrift HAPPYNUMBER", change, old, new, ("truncated",))


def _versions(folder: Path, task: str, model: str) -> tuple[list[Prediction], list[Prediction]]:
    """The older and the newer version's answers to the same prompts, shuffled inside a version."""
    rows = _table(folder / "llmdrift" / f"{task}_EVAL.csv.gz")
    of_model = [row for row in rows if model in row["model"]]
    first, second = sorted({row["model"] for row in of_model})
    return tuple(  # type: ignore[return-value]
        _shuffled(_llm_answer(row) for row in of_model if row["model"] == version)
        for version in (first, second)
    )


def _llm_answer(row: Mapping[str, str]) -> Prediction:
    tokens = int(row["answer_token"])
    return {
        "version": row["model"].rpartition("/")[2],
        "input": row["query"],
        "output": row["answer"],
        "output_tokens": tokens,
        "latency_ms": float(row["latency"]) * 1_000,
        "cost_usd": float(row["cost"]),
        "finish_reason": "length" if tokens >= int(row["max_tokens"]) else "stop",
    }


def _languages(folder: Path) -> Stream:
    quiet, changed = (_completions(folder, model) for model in ("command-r", "command-r-base"))
    change = "command-r -> command-r-base: answers in another language than asked 0.3% -> 8%"
    return Stream("language confusion", change, quiet, changed, ("wrong_language",))


def _completions(folder: Path, model: str) -> list[Prediction]:
    rows = _table(folder / "language_confusion" / f"{model}.csv.gz")
    return _shuffled(
        {"version": model, "output": row["completion"], "expected_language": row["language"]}
        for row in rows
        if row["task"] == "monolingual"
    )


def _classifiers(folder: Path) -> Stream:
    quiet, changed = (_classified(folder, model) for model in ("wideresnet-16-4", "lenet-5"))
    change = "WRN-16-4 -> LeNet-5 on CIFAR-10: mean confidence .965 -> .639, accuracy .911 -> .531"
    return Stream("confidence", change, quiet, changed, ("confidence", "incorrect"))


def _classified(folder: Path, model: str) -> list[Prediction]:
    with np.load(folder / "confidence" / f"{model}-cifar-10.npz") as data:
        shares, truth = data["predictions"], data["ground_truth"].ravel()
    best, confidence = shares.argmax(axis=1), shares.max(axis=1).astype(float)
    return [
        {"version": model, "prediction": CIFAR[p], "label": CIFAR[t], "confidence": min(c, 1.0)}
        for p, t, c in zip(best.tolist(), truth.tolist(), confidence.tolist(), strict=True)
    ]


def _azure(folder: Path) -> Iterator[Stream]:
    chat, code = (_traced(folder, name) for name in ("conv", "code"))
    change = "Azure conv -> code: median answer 129 -> 13 tokens"
    yield Stream("Azure conv, then code", change, chat, code, ("output_tokens",), "output_tokens")
    yield Stream("Azure code", "none", code, (), ())


def _traced(folder: Path, name: str) -> list[Prediction]:
    with (folder / "azure_llm" / f"AzureLLMInferenceTrace_{name}.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        {
            "version": name,
            "input_tokens": int(row["ContextTokens"]),
            "output_tokens": int(row["GeneratedTokens"]),
        }
        for row in rows
    ]


def _mooncake(folder: Path) -> Stream:
    with gzip.open(folder / "mooncake" / "conversation_trace.jsonl.gz", "rb") as file:
        rows = [json.loads(line) for line in file]
    quiet = [{"input_tokens": row["input_length"], "output_tokens": row["output_length"]} for row in rows]
    return Stream("Mooncake", "none", quiet, (), ())


def _table(path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(1 << 24)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _shuffled(predictions: Iterable[Prediction]) -> list[Prediction]:
    ordered = list(predictions)
    random.Random(SEED).shuffle(ordered)
    return ordered
