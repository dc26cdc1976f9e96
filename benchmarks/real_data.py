"""Five public data sets as prediction logs, each with the change that its README names.

`TOCSIN_REAL_DATA` names the folder; nothing of it is copied into this project.
"""

import csv
import gzip
import itertools
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
UNBOUNDED: Final = 1 << 40
SMALL_CACHE: Final = 2_000
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
    yield from _happy_numbers(folder)
    yield _leetcode(folder)
    yield _sensitive(folder)
    yield _languages(folder)
    yield _classifiers(folder)
    yield from _azure(folder)
    yield from _mooncake(folder)


def _prime(folder: Path) -> Stream:
    old, new = _versions(folder, "PRIME_FULL", "gpt-4")
    change = "gpt-4-0314 -> -0613 on PRIME: median answer 181 -> 3 tokens, 6.7 -> 1.5 s"
    return Stream("LLMDrift PRIME", change, old, new, ("output_tokens", "latency_ms"))


def _opinions(folder: Path) -> Stream:
    old, new = _versions(folder, "OPINIONQA", "gpt-4")
    for prediction in (*old, *new):
        prediction["valid_output"] = OPTION.search(prediction["output"]) is not None
    change = "gpt-4-0314 -> -0613 on OPINIONQA: answers without an option 2% -> 75%"
    return Stream("LLMDrift OPINIONQA", change, old, new, ("invalid_output", "output_tokens"))


def _happy_numbers(folder: Path) -> Iterator[Stream]:
    old, new = _versions(folder, "COUNTAHAPPYNUMBER", "gpt-3.5-turbo")
    change = "gpt-3.5-0301 -> -0613 on HAPPYNUMBER: truncated answers 3.6% -> 16.2%"
    yield Stream("LLMDrift HAPPYNUMBER", change, old, new, ("truncated", "output_tokens"))
    old, new = _versions(folder, "COUNTAHAPPYNUMBER", "gpt-4")
    change = "gpt-4-0314 -> -0613 on HAPPYNUMBER: median answer 1,276 -> 5 tokens"
    yield Stream("LLMDrift HAPPYNUMBER gpt-4", change, old, new, ("output_tokens",))


def _leetcode(folder: Path) -> Stream:
    """An answer is valid if it can be run as it is: without a Markdown fence around it."""
    old, new = _versions(folder, "LEETCODE_EASY", "gpt-4")
    for prediction in (*old, *new):
        prediction["valid_output"] = "```" not in prediction["output"]
    change = "gpt-4-0314 -> -0613 on LEETCODE: fenced answers 0 -> 44 of 50, median 5.3 -> 12.1 s"
    return Stream("LLMDrift LEETCODE", change, old, new, ("invalid_output", "latency_ms"))


def _sensitive(folder: Path) -> Stream:
    old, new = _versions(folder, "SENSITIVEQ", "gpt-4")
    change = "gpt-4-0314 -> -0613 on SENSITIVEQ: median answer 55 -> 10 tokens"
    return Stream("LLMDrift SENSITIVEQ", change, old, new, ("output_tokens",))


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


def _mooncake(folder: Path) -> Iterator[Stream]:
    """A request hits the cache if blocks beyond its first, which nearly all share, are known."""
    with gzip.open(folder / "mooncake" / "conversation_trace.jsonl.gz", "rb") as file:
        rows = [json.loads(line) for line in file]
    half = len(rows) // 2
    whole = _cached(rows, [UNBOUNDED] * len(rows))
    yield Stream("Mooncake", "none", whole, (), ())
    cut = _cached(rows, [UNBOUNDED] * half + [SMALL_CACHE] * (len(rows) - half))
    change = f"Mooncake's requests, cache cut to {SMALL_CACHE:,} blocks: hits 38% -> 2%"
    yield Stream("Mooncake, small cache", change, cut[:half], cut[half:], ("cached",))


def _cached(rows: Sequence[Mapping[str, Any]], capacity: Sequence[int]) -> list[Prediction]:
    """Whether each request's prefix was in a cache of blocks that forgets the longest unused."""
    known: dict[int, None] = {}
    found = []
    for row, most in zip(rows, capacity, strict=True):
        hits = sum(1 for _ in itertools.takewhile(known.__contains__, row["hash_ids"]))
        for block in row["hash_ids"]:
            known.pop(block, None)
            known[block] = None
        for block in list(itertools.islice(known, max(len(known) - most, 0))):
            del known[block]
        tokens = {"input_tokens": row["input_length"], "output_tokens": row["output_length"]}
        found.append({**tokens, "cache_hit": hits > 1})
    return found


def _table(path: Path) -> list[dict[str, str]]:
    csv.field_size_limit(1 << 24)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _shuffled(predictions: Iterable[Prediction]) -> list[Prediction]:
    ordered = list(predictions)
    random.Random(SEED).shuffle(ordered)
    return ordered
