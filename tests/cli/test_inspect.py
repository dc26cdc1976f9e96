"""`tocsin inspect FILE`: what is in a log, which format fits, and what is likely to go wrong with it."""

import gzip
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitor.cli import cli
from monitor.cli.inspect.concerns import concerns
from monitor.cli.inspect.study import study as look_at
from monitor.cli.inspect.taking import Taken
from monitor.config.presets import PRESETS
from monitor.errors import UsageError

FIXTURES = Path(__file__).parents[1] / "records" / "formats"
START_MS = 1_763_000_000_000


def inspect(path: Path | str, *options: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli, ["inspect", str(path), *options], input=stdin, catch_exceptions=False)


def study(tmp_path: Path, records: list[dict[str, Any]], *options: str) -> dict[str, Any]:
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(map(json.dumps, records)))
    found: dict[str, Any] = json.loads(inspect(log, "--json", *options).stdout)
    return found


def kinds(found: dict[str, Any]) -> set[str]:
    return {warning["kind"] for warning in found["warnings"]}


def sentence(found: dict[str, Any], kind: str) -> str:
    return next(str(w["sentence"]) for w in found["warnings"] if w["kind"] == kind)


def records(n: int = 400, **fields: Callable[[int], Any]) -> list[dict[str, Any]]:
    """One each second, of which one in a hundred fails."""
    rng = random.Random(3)
    made = []
    for i in range(n):
        record = {"model": "chat", "ts": START_MS + 1_000 * i, "status": "error" if i % 100 == 7 else "ok"}
        record |= {"latency_ms": round(rng.lognormvariate(6, 0.4)), "output_tokens": rng.randint(50, 200)}
        made.append(record | {name: value(i) for name, value in fields.items()})
    return made


@pytest.mark.parametrize("name", sorted({*PRESETS} - {"tabular"}))
def test_every_preset_is_found_by_what_its_messages_hold(name: str) -> None:
    found = json.loads(inspect(FIXTURES / f"{name}.jsonl", "--json").stdout)
    assert found["source"] == {"format": name}
    assert found["records"] >= 2
    assert found["refused"] == {}


def test_the_signals_of_own_records_come_with_rates_and_quantiles(tmp_path: Path) -> None:
    found = study(tmp_path, records())
    assert found["source"] == {}
    signals = {s["signal"]: s for s in found["signals"]}
    assert (signals["error"]["k"], signals["error"]["n"]) == (4, 400)
    assert signals["output_tokens"]["quantiles"]["0"] >= 50
    assert signals["output_tokens"]["quantiles"]["1"] <= 200
    fields = {f["field"]: f for f in found["fields"]}
    assert (fields["status"]["share"], fields["status"]["read_as"]) == (1.0, ["status"])
    assert fields["status"]["signals"] == ["error", "rejected", "timeout"]
    assert "users who are not content" in {want["unseen"] for want in found["not_seen"]}


def test_names_and_values_suggest_a_mapping_for_a_log_of_nobodys_format(tmp_path: Path) -> None:
    rng = random.Random(5)
    lines = [
        {
            "modelName": "fraud",
            "finishedAt": f"2026-11-14T03:{i // 60:02}:{i % 60:02}Z",
            "meta": {"request_id": f"r{i}", "durationSeconds": round(rng.uniform(0.01, 0.2), 4)},
            "probabilities": {"score": rng.random()},
            "decision": rng.choice(["APPROVE", "DECLINE"]),
            "http_status": 200 if i % 50 else 504,
            "region": rng.choice(["eu", "us"]),
        }
        for i in range(600)
    ]
    found = study(tmp_path, lines)
    assert found["source"]["map"] == {
        "model": "modelName",
        "id": "/meta/request_id",
        "ts": "finishedAt",
        "status": {
            "field": "http_status",
            "ok": ["2xx", "3xx"],
            "timeout": [408, 504],
            "rejected": ["4xx"],
            "error": ["5xx"],
        },
        "score": "/probabilities/score",
        "prediction": "decision",
        "latency_ms": {"field": "/meta/durationSeconds", "unit": "s"},
        "segment": {"region": "region"},
    }
    assert found["records"] == 600
    timeout = next(s for s in found["signals"] if s["signal"] == "timeout")
    assert timeout["k"] == 12


@pytest.mark.parametrize(
    ("field", "value", "read_as"),
    [
        ("when", lambda i: 1_764_324_000 + i, "when"),
        ("gesehen", lambda i: f"2026-11-28T10:00:{i % 60:02d}Z", "gesehen"),
        ("customer_number", lambda i: 1_200_000_000 + (51_803 * i) % 100_003, None),
        ("sequence", lambda i: i, None),
    ],
)
def test_times_are_known_by_their_values_where_no_name_is(
    tmp_path: Path, field: str, value: Callable[[int], object], read_as: str | None
) -> None:
    log = [{"model_name": "m", "outcome": "ok", field: value(i)} for i in range(300)]
    assert study(tmp_path, log)["source"]["map"].get("ts") == read_as


def test_seconds_and_milliseconds_are_told_by_the_values_where_the_name_is_silent(tmp_path: Path) -> None:
    def mapped(values: Callable[[int], float]) -> Any:
        lines = [{"model_name": "m", "timestamp": START_MS + i, "latency": values(i)} for i in range(300)]
        return study(tmp_path, lines)["source"]["map"]["latency_ms"]

    assert mapped(lambda i: 1.25 + i / 100) == {"field": "latency", "unit": "s"}
    assert mapped(lambda i: 900 + i) == "latency"


def test_own_latencies_that_look_like_seconds_are_doubted(tmp_path: Path) -> None:
    found = study(tmp_path, records(latency_ms=lambda i: 1.5 + i / 100))
    assert "if it is in seconds: map: {latency_ms: {field: latency_ms, unit: s}}" in sentence(found, "units")


def test_a_version_inside_the_name_is_seen_where_one_name_stops_as_the_next_starts(tmp_path: Path) -> None:
    found = study(tmp_path, records(model=lambda i: f"gpt-4-0{'314' if i < 200 else '613'}"))
    assert "gpt-4-0314 stops as gpt-4-0613 starts" in sentence(found, "version_in_name")
    assert r"split: '[-_.@:/ ](?=\d+(?:\.\d+)*$)'" in sentence(found, "version_in_name")
    one = study(tmp_path, records(model=lambda i: "fraud-v7"))
    assert "fraud-v7 looks like a name with a version" in sentence(one, "version_in_name")
    beside = study(tmp_path, records(model=lambda i: f"gpt-4-0{'314' if i % 2 else '613'}"))
    assert "version_in_name" not in kinds(beside)


def test_a_sample_rate_that_differs_by_status_is_told(tmp_path: Path) -> None:
    found = study(tmp_path, records(sample_rate=lambda i: 1.0 if i % 100 == 7 else 0.1))
    assert "sample_rate is 0.1 for ok and 1 for error records" in sentence(found, "sampling")


def test_ids_betray_that_successes_are_sampled_and_failures_are_not(tmp_path: Path) -> None:
    lines = [
        r | {"id": f"req-{i}"}
        for i, r in enumerate(records(4_000, status=lambda i: "error" if i % 37 == 3 else "ok"))
        if r["status"] == "error" or i % 10 == 0
    ]
    assert "one success in 10 is logged and every failure" in sentence(study(tmp_path, lines), "sampling")
    assert "sampling" not in kinds(study(tmp_path, [r | {"id": f"req-{i}"} for i, r in enumerate(records())]))


def test_a_log_of_minutes_is_too_short_for_a_reference_of_a_day(tmp_path: Path) -> None:
    assert "cover only 6.7 min" in sentence(study(tmp_path, records()), "short")
    assert "short" not in kinds(study(tmp_path, records(ts=lambda i: START_MS + 300_000 * i)))


def test_disorder_says_which_lateness_would_do(tmp_path: Path) -> None:
    found = study(tmp_path, records(ts=lambda i: START_MS + 1_000 * i - (25_000 if i % 20 == 0 else 0)))
    assert "come later than 3 s: source.lateness 30 s would do" in sentence(found, "order")
    assert "order" not in kinds(study(tmp_path, records()))


def test_times_behind_by_their_latency_are_those_of_the_start(tmp_path: Path) -> None:
    rng = random.Random(1)
    took = [rng.lognormvariate(8.5, 0.6) for _ in range(2_000)]
    found = study(
        tmp_path,
        records(2_000, ts=lambda i: int(START_MS + 1_000 * i - took[i]), latency_ms=lambda i: took[i]),
    )
    assert "looks like the time a request began" in sentence(found, "order")


@pytest.mark.parametrize("starts", [True, False])
def test_kafkas_clock_tells_whether_a_topic_has_the_times_of_the_start(starts: bool) -> None:
    rng = random.Random(1)
    took = [rng.lognormvariate(7, 0.6) for _ in range(300)]
    ended = [START_MS + 2_000 * i for i in range(300)]
    made = [
        {"model": "chat", "ts": end - (t if starts else 0), "latency_ms": t}
        for end, t in zip(ended, took, strict=True)
    ]
    # The producer sends after up to two seconds.
    arrived = [end + rng.randrange(2_000) for end in ended]
    order = sorted(range(300), key=lambda i: arrived[i])
    taken = Taken(
        "t", [json.dumps(made[i]).encode() for i in order], timestamps_ms=[arrived[i] for i in order]
    )
    said = [c.sentence for c in concerns(look_at(taken)) if c.kind == "order"]
    assert any("looks like the time a request began" in sentence for sentence in said) == starts


def test_many_streams_are_told(tmp_path: Path) -> None:
    found = study(tmp_path, records(3_000, model=lambda i: f"chat-{i}"))
    assert "3,000 models: streams beyond 1,000 count together as (other)" in sentence(found, "many_streams")


def test_dropped_fields_are_told_with_their_count(tmp_path: Path) -> None:
    found = study(tmp_path, records(confidence=lambda i: 50 + i % 50, output_tokens=lambda i: -1))
    said = [w["sentence"] for w in found["warnings"] if w["kind"] == "dropped"]
    assert "confidence is dropped in 400 records: it goes up to 99, and must be from 0 to 1" in said
    assert any(s.startswith("output_tokens is dropped in ") for s in said)


def test_secrets_and_users_are_not_shown(tmp_path: Path) -> None:
    secrets = {
        "user": "ada-lovelace",
        "customer_email": "ada@example.org",
        "api_key": "abc123",
        "note": "reach me at ada@example.org",
        "auth": {"token": "tok-123"},
        "hash": "0123456789abcdef0123456789abcdef01234567",
    }
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(json.dumps(r | secrets) for r in records()))
    for options in ([], ["--json"]):
        shown = inspect(log, *options).stdout
        assert not [
            text for text in ("lovelace", "@example", "abc123", "tok-123", "0123456789ab") if text in shown
        ]
        assert "(not shown)" in shown


def test_what_people_see_fits_eighty_columns_and_ends_with_the_next_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log = Path("log.jsonl")
    log.write_text("\n".join(json.dumps(r | {"x" * 200: "y" * 200}) for r in records()))
    said = inspect(log).stdout.splitlines()
    assert max(map(len, said)) <= 80
    assert said[0] == "log.jsonl: 400 lines, 400 records"
    assert said[-1] == "next: tocsin init log.jsonl"


@pytest.mark.parametrize(
    "form",
    [
        lambda text: gzip.compress(text),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: text.replace(b"\n", b"\n\n"),
    ],
    ids=["gzip named .jsonl", "a byte order mark", "lines of Windows", "blank lines"],
)
def test_however_the_lines_are_written_they_are_the_same(
    tmp_path: Path, form: Callable[[bytes], bytes]
) -> None:
    log = tmp_path / "log.jsonl"
    text = "\n".join(map(json.dumps, records())).encode()
    log.write_bytes(form(text))
    for result in (inspect(log, "--json"), inspect("-", "--json", stdin=form(text))):
        assert json.loads(result.stdout)["records"] == 400


HOSTILE: dict[str, tuple[bytes, str]] = {
    "an empty file": (b"", "is empty: give a log with one JSON object a line"),
    "only blank lines": (b"\n\n \n", "is empty: give a log with one JSON object a line"),
    "bytes": (bytes(range(256)) * 50, "is binary: give a log of UTF-8 text"),
    "Parquet": (b"PAR1\x15\x04\x15", "is a Parquet file: write it as JSON lines first"),
    "UTF-16": ('{"model": "m"}\n'.encode("utf-16"), "is in UTF-16: make it UTF-8 first (iconv"),
    "Python's repr": (
        b"{'model': 'chat', 'ts': 1}\n",
        "looks like Python's own writing, not JSON: python3 -c",
    ),
    "CSV with JSON in it": (b'1760000000,m,{"a":1}\n1760000001,m,{"a":2}\n', "looks like CSV: python3 -c"),
    "text before JSON": (
        b'INFO done {"model": "chat"}\nINFO done {"model": "chat", "a": {}}\n',
        "has other text before the JSON of each line: sed 's/^[^{]*//'",
    ),
    "CSV": (b"model,ts,status\nchat,1,ok\nchat,2,ok\n", "looks like CSV: python3 -c"),
    "CSV with semicolons": (b"model;ts\nchat;1\nchat;2\n", 'delimiter=";"'),
    "an array of objects": (
        b'[{"model": "m"}, {"model": "n"}]',
        "is one JSON array, not one object a line: python3 -c",
    ),
    "an array over lines": (
        b'[\n  {"model": "m"},\n  {"model": "n"}\n]\n',
        "is one JSON array, not one object a line",
    ),
    "an object over lines": (
        b'{\n  "model": "m"\n}\n',
        "is JSON over several lines, not one object a line: jq -c .",
    ),
    "prose": (b"GET / 200\nGET /x 404\n", "is a JSON object, the first is 'GET / 200'"),
    "one endless line": (b'{"model": "' + b"m" * (50 << 20) + b'"}', "is under 1 MiB"),
}


@pytest.mark.parametrize(("text", "said"), HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_no_log_is_one_sentence_that_says_what_to_do(tmp_path: Path, text: bytes, said: str) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(text)
    with pytest.raises(UsageError) as refused:
        inspect(log)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "model,ts,status\nchat,1763000000,ok\nchat,1763000001,error\n",
        "model;ts;status\nchat;1763000000;ok\nchat;1763000001;error\n",
        "model\tts\tstatus\nchat\t1763000000\tok\nchat\t1763000001\terror\n",
        '[{"model": "chat", "ts": 1763000000},\n {"model": "chat", "ts": 1763000001}]',
    ],
    ids=["CSV", "semicolons", "tabs", "an array"],
)
def test_the_command_that_it_names_makes_a_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a table").write_text(text)
    with pytest.raises(UsageError) as refused:
        inspect("a table")
    command = str(refused.value).partition(": ")[2]
    subprocess.run(["sh", "-c", command], check=True)
    found = json.loads(inspect("lines.jsonl", "--json").stdout)
    assert (found["records"], found["streams"]) == (2, {"chat": 2})
    assert found["times"]["span_ms"] == 1_000


def test_a_hundred_thousand_keys_and_a_thousand_levels_are_bounded(tmp_path: Path) -> None:
    deep = "[" * 1_000 + "]" * 1_000
    lines = [json.dumps({"model": "m", "ts": START_MS + i, f"key{i}": 1}) for i in range(3_000)]
    lines.append(json.dumps({"model": "m", "ts": START_MS} | {f"wide{i}": 1 for i in range(60_000)}))
    lines.append(f'{{"model": "m", "ts": {START_MS}, "deep": {deep}}}')
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(lines))
    found = json.loads(inspect(log, "--json").stdout)
    assert found["records"] == 3_002
    assert len(found["fields"]) <= 1_000
    assert found["more_fields"] is True


def test_labels_alone_are_told_to_be_no_log_to_begin_with(tmp_path: Path) -> None:
    labels = [
        {"type": "label", "id": f"r{i}", "model": "m", "correct": True, "ts": START_MS} for i in range(30)
    ]
    assert "begin with the log of these" in sentence(study(tmp_path, labels), "no_predictions")
    assert "tocsin init" not in inspect(tmp_path / "log.jsonl").stdout


@pytest.mark.parametrize("ts", [1e24, -1e24, 0, -5, 1e11, 1e14 + 1, 1e17 + 1])
def test_no_time_is_out_of_reach(tmp_path: Path, ts: float) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text("\n".join(json.dumps(r | {"ts": ts, "latency": "1e999"}) for r in records(30)))
    assert "30 records" in inspect(log).stdout
    assert json.loads(inspect(log, "--json").stdout)["records"] == 30


def test_a_single_record_is_a_log_too(tmp_path: Path) -> None:
    found = study(tmp_path, records(1))
    assert (found["records"], found["streams"]) == (1, {"chat": 1})


@pytest.mark.parametrize("n", [600, 1_000, 1_001, 4_000])
def test_a_log_of_which_every_other_line_is_a_request_is_known_at_every_length(n: int) -> None:
    request, answer = (FIXTURES / "kserve.jsonl").read_bytes().splitlines()[:2]
    seen = look_at(Taken("kserve.jsonl", [request, answer] * (n // 2)))
    assert (seen.reading.preset, seen.outcome.n) == ("kserve", n // 2)
    assert ("predictions", "0") in seen.places.found


def test_records_in_an_array_of_each_message_are_told(tmp_path: Path) -> None:
    batches = [{"data": records(30)} for _ in range(20)]
    assert "write source: {each: /data/*}" in sentence(study(tmp_path, batches), "nested")
    assert "nested" not in kinds(study(tmp_path, records()))
