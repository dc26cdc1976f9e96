"""`tocsin replay` on logs as people have them: packed, piped, cut off, out of order."""

import gzip
import json
import random
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from monitor import cli
from monitor.cli import lines, main

START_MS = 1_763_000_000_000
RULES = """
reference: {learn: 2000, at_least: 0s}
defaults: {min_n: 20}
rules:
  - {name: errors, signal: error, above: {warning: 2x, critical: 10%}}
  - {name: quick, signal: error, window: 60s, above: 30%}
receivers: {default: {slack: {url: "https://hooks.slack.example/x"}}}
"""
KILLING = (
    RULES.replace(
        "above: {warning: 2x, critical: 10%}}",
        "match: {model: chat}, above: {warning: 2x, critical: 10%}, kill: chat}",
    )
    + """
kill_switches: {chat: {webhook: {url: "https://gw.example/kill", secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}}
"""
)
MANY = """
rules: [{name: many, signal: requests, total: 1m, above: 5}]
receivers: {default: {log: {}}}
"""


def replay(*arguments: str, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(cli.cli, ["replay", *arguments], input=stdin, catch_exceptions=False)


@pytest.fixture
def alerts(tmp_path: Path) -> str:
    path = tmp_path / "alerts.yaml"
    path.write_text(RULES)
    return str(path)


@pytest.fixture(scope="module")
def records() -> list[bytes]:
    """Ten a second for twenty minutes, of which one in a hundred fails, in the last five minutes every second one."""
    rng = random.Random(9)
    rates = [0.01] * 9_000 + [0.5] * 3_000
    return [
        json.dumps(
            {"model": "chat", "ts": START_MS + 100 * i, "status": "error" if rng.random() < p else "ok"}
        ).encode()
        for i, p in enumerate(rates)
    ]


def verdicts(result: Result) -> list[tuple[str, ...]]:
    found = [json.loads(line) for line in result.stdout.splitlines()]
    return [(i["rule"], i["severity"], i["onset_at"], i["detected_at"]) for i in found]


FORMS: dict[str, Callable[[list[bytes]], bytes]] = {
    "a final newline": lambda records: b"\n".join(records) + b"\n",
    "no final newline": lambda records: b"\n".join(records),
    "lines of Windows": lambda records: b"\r\n".join(records) + b"\r\n",
    "blank lines": lambda records: b"\n\n  \n".join(records) + b"\n\n",
    "a byte order mark": lambda records: b"\xef\xbb\xbf" + b"\n".join(records),
    "gzip": lambda records: gzip.compress(b"\n".join(records)),
    "gzip in parts": lambda records: b"".join(gzip.compress(r + b"\n") for r in records),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
@pytest.mark.parametrize("piped", [False, True])
def test_however_a_log_is_written_it_is_the_same_log(
    tmp_path: Path, alerts: str, records: list[bytes], form: Callable[[list[bytes]], bytes], piped: bool
) -> None:
    path, written = tmp_path / "log", form(records)
    path.write_bytes(written)
    result = replay("-" if piped else str(path), "--json", "-c", alerts, stdin=written if piped else None)
    assert [v[:2] for v in verdicts(result)] == [("quick", "warning"), ("errors", "warning")]
    assert result.stderr.splitlines()[0] == "12,000 records counted, 2 incidents"
    assert "skipped" not in result.stderr


def test_stdout_is_only_json_lines_whatever_there_is_to_say(tmp_path: Path, alerts: str) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'\xff\n[1]\nnull\n{"model": "x", "ts": 1}\n{"ts": 5}\n{"model": "y", "ts": NaN}\n')
    result = replay(str(path), "--json", "-c", alerts)
    assert (result.exit_code, result.stdout) == (0, "")
    said = result.stderr.splitlines()
    assert said[0] == "1 records counted, 0 incidents"
    assert "2 lines skipped: not_an_object" in said
    assert "x: still learning, 1 of 2,000" in said


def test_an_empty_log_is_no_error_unless_a_verdict_is_wanted(tmp_path: Path, alerts: str) -> None:
    (tmp_path / "log").write_bytes(b"")
    result = replay(str(tmp_path / "log"), "--json", "-c", alerts)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("0 records counted, 0 incidents\nnothing could be judged: tocsin inspect")
    assert replay(str(tmp_path / "log"), "--fail-on", "critical", "-c", alerts).exit_code == 1


def test_times_in_a_wrong_unit_are_told(tmp_path: Path, alerts: str) -> None:
    (tmp_path / "log").write_text('{"model": "m", "ts": 1763000}\n')
    told = replay(str(tmp_path / "log"), "-c", alerts).stderr
    assert "times end at 1970-01-21T09:43:20.000Z: if they are dates, look at the unit of ts" in told


def test_gzip_that_ends_early_is_one_sentence_and_exit_2(
    tmp_path: Path,
    alerts: str,
    records: list[bytes],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(b"\n".join(records))[:-500])
    monkeypatch.setattr(sys, "argv", ["tocsin", "replay", str(path), "-c", alerts])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith(f"tocsin: {path} is no whole gzip file")
    assert len(said.splitlines()) == 1


def test_sorted_a_shuffled_log_is_what_it_was(tmp_path: Path, alerts: str, records: list[bytes]) -> None:
    shuffled = random.Random(1).sample(records, len(records))
    whole = replay("-", "--json", "-c", alerts, stdin=b"\n".join(records))
    again = replay("-", "--json", "--sort", "-c", alerts, stdin=b"\n".join(shuffled))
    assert (again.stdout, again.stderr) == (whole.stdout, whole.stderr)
    late = replay("-", "--json", "-c", alerts, stdin=b"\n".join(shuffled))
    assert "records came late (their pane had closed): try --sort" in late.stderr


def test_how_the_lines_are_cut_into_parts_changes_nothing(
    alerts: str, records: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(2)
    disordered = sorted(records, key=lambda r: json.loads(r)["ts"] + rng.uniform(0, 20_000))
    log = b"\n".join(disordered)
    whole = replay("-", "--json", "-c", alerts, stdin=log)
    assert "records came late" in whole.stderr
    for at_once in (7, 100):
        monkeypatch.setattr(lines, "LINES_AT_ONCE", at_once)
        again = replay("-", "--json", "-c", alerts, stdin=log)
        assert again.stderr == whole.stderr
        assert verdicts(again) == verdicts(whole)


def test_a_kill_comes_before_what_panes_see_later_however_the_lines_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(KILLING)
    # So slow that thousands of lines are many panes.
    log = log_of((3_000, 0.01), (1_200, 0.5))
    found = verdicts(replay("-", "--json", "-c", str(path), stdin=log))
    onset_at, detected_at = "2025-11-13T02:38:20.000Z", "2025-11-13T02:38:48.000Z"
    assert found[0] == ("errors", "critical", onset_at, detected_at)
    assert (
        f"would have killed chat at {detected_at} by errors" in replay("-", "-c", str(path), stdin=log).stderr
    )
    for at_once in (20, 1_000):
        monkeypatch.setattr(lines, "LINES_AT_ONCE", at_once)
        assert verdicts(replay("-", "--json", "-c", str(path), stdin=log)) == found


def log_of(*parts: tuple[int, float]) -> bytes:
    """Two records a second: in each part so many, of which a share fails."""
    rng = random.Random(4)
    rates = [share for n, share in parts for _ in range(n)]
    return b"\n".join(
        b'{"model": "chat", "ts": %d, "status": "%s"}'
        % (START_MS + 500 * i, b"error" if rng.random() < p else b"ok")
        for i, p in enumerate(rates)
    )


@pytest.mark.parametrize("at_once", [5_000, 200])
def test_evidence_that_would_have_killed_is_over_with_its_incident(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(lines, "LINES_AT_ONCE", at_once)
    path = tmp_path / "alerts.yaml"
    path.write_text(KILLING.replace("min_n: 20", "min_n: 20, clear_for: 1m"))
    burst = [(3_000, 0.01), (1_200, 0.6), (4_000, 0.0)]
    once = verdicts(replay("-", "--json", "-c", str(path), stdin=log_of(*burst)))
    assert [v[:2] for v in once] == [("errors", "critical"), ("quick", "warning")]
    twice = verdicts(replay("-", "--json", "-c", str(path), stdin=log_of(*burst, *burst[1:])))
    assert twice[:2] == once
    assert [v[:2] for v in twice[2:]] == [v[:2] for v in once]


def test_records_in_disorder_come_to_the_same_kill_however_they_are_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(KILLING)
    rng = random.Random(3)
    tidy = log_of((1_000, 0.01), (200, 0.5)).split(b"\n")
    log = b"\n".join(sorted(tidy, key=lambda line: json.loads(line)["ts"] + rng.uniform(0, 2_500)))
    found = []
    for at_once in (5_000, 1):
        monkeypatch.setattr(lines, "LINES_AT_ONCE", at_once)
        found.append(verdicts(replay("-", "--json", "-c", str(path), stdin=log)))
    assert ("errors", "critical") in [v[:2] for v in found[0]]
    assert found[0] == found[1]


def test_a_record_before_the_first_one_counts_in_its_own_pane(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(RULES.split("rules:")[0] + MANY)
    early = [
        b'{"model": "chat", "ts": %d}' % (START_MS + 30_500),
        *[b'{"model": "chat", "ts": %d}' % (START_MS + 29_900)] * 9,
    ]
    found = []
    for at_once in (5_000, 1):
        monkeypatch.setattr(lines, "LINES_AT_ONCE", at_once)
        found.append(verdicts(replay("-", "--json", "-c", str(path), stdin=b"\n".join(early))))
    assert found[0] == found[1] != []


def test_a_stream_that_falls_into_two_parts_keeps_its_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "alerts.yaml"
    of_others = 'above: 5%, match: {model: "!batch"}}'
    path.write_text(RULES.replace("above: {warning: 2x, critical: 10%}}", of_others))
    log = log_of((6_000, 0.0)).split(b"\n")
    log[995] = log[995].replace(b"chat", b"batch")
    log[2_000:] = [line.replace(b"chat", b"batch").replace(b"ok", b"error") for line in log[2_000:]]
    monkeypatch.setattr(lines, "LINES_AT_ONCE", 1_000)
    found = verdicts(replay("-", "--json", "-c", str(path), stdin=b"\n".join(log)))
    assert [v[0] for v in found] == ["quick"]


def test_a_rule_whose_signal_no_record_has_is_named(tmp_path: Path, records: list[bytes]) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(RULES.replace("rules:", "rules:\n  - {name: sure, signal: confidence, drift: down}"))
    result = replay("-", "-c", str(path), stdin=b"\n".join(records))
    assert "not one record had what is counted by sure" in result.stderr


def test_a_reference_that_waits_for_time_says_so(tmp_path: Path, records: list[bytes]) -> None:
    path = tmp_path / "alerts.yaml"
    path.write_text(RULES.replace("at_least: 0s", "at_least: 24h"))
    result = replay("-", "-c", str(path), stdin=b"\n".join(records))
    assert (
        "chat: still learning, 2,000 of 2,000 and 20 min of 24 h; provisional: three times the tolerance"
        in result.stderr
    )


@pytest.mark.parametrize(
    ("limit", "observed", "said"),
    [
        ("quantile: p90, above: 2s", 3_000, "chat: p90 latency 3 s over 60 s, limit 2s"),
        ("quantile: p10, below: 4s", 3_000, "chat: p10 latency 3 s over 60 s, limit 4s"),
    ],
)
def test_a_window_on_a_percentile_says_the_percentile(
    tmp_path: Path, limit: str, observed: float, said: str
) -> None:
    rules = (
        RULES.partition("  - {name: errors")[0]
        + f"  - {{name: slow, signal: latency_ms, window: 60s, {limit}}}\n"
    )
    alerts = tmp_path / "alerts.yaml"
    alerts.write_text(rules + RULES[RULES.index("receivers") :])
    log = tmp_path / "log.jsonl"
    log.write_bytes(
        b"\n".join(
            json.dumps(
                {"model": "chat", "version": f"v{i % 2}", "ts": START_MS + 100 * i, "latency_ms": 3_000}
            ).encode()
            for i in range(1_000)
        )
    )
    result = replay(str(log), "-c", str(alerts), "--json")
    (incident,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert (incident["quantity"], incident["unit"]) == (limit[10:13], "ms")
    assert incident["observed"] == pytest.approx(observed, rel=0.01)
    assert incident["summary"] == said


def test_a_window_says_what_it_saw_and_not_what_its_pane_did(tmp_path: Path) -> None:
    rules = (
        RULES.partition("  - {name: errors")[0]
        + "  - {name: outage, signal: error, window: 5s, above: 50%, min_n: 20}\n"
    )
    alerts = tmp_path / "alerts.yaml"
    alerts.write_text(rules + RULES[RULES.index("receivers") :])
    started_s = START_MS // 1000 // 10 * 10
    log = tmp_path / "log.jsonl"
    records = (
        {"model": "chat", "ts": started_s + i / 10, "status": "error" if 660 <= i < 695 else "ok"}
        for i in range(1_000)
    )
    log.write_bytes(b"\n".join(json.dumps(record).encode() for record in records))
    result = replay(str(log), "-c", str(alerts), "--json")
    (incident,) = [json.loads(line) for line in result.stdout.splitlines()]
    assert incident["observed"] > 0.5
    assert (
        incident["summary"] == f"chat: {100 * incident['observed']:.0f}% of requests fail over 5 s, limit 50%"
    )
