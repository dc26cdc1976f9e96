"""Configurations at random: a grammar of alerts.yaml, and of what it writes only what the loader takes."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from monitor import config
from monitor.config.model import Config
from monitor.errors import ConfigError

LEAST_RULES, MOST_RULES = 3, 8
TRIES: Final = 200
_PLACE: Final = re.compile(r"<(\w+)>")

Grammar = Mapping[str, Sequence[str]]

# A pulled switch would pause rules in a ledger and none in a replay, so that here it is only said to be pulled.
HEAD: Final = """
name: agreement
source: {bootstrap_servers: "localhost:9092", topic: predictions, lateness: <lateness>}
store: {url: "postgresql://localhost/none"}
streams:
  by: <by>
  slices: <slices>
  max: <max>
  labels:
    - {match: {model: "*"}, set: {team: a}}
    - {match: {model: m1}, set: {team: b}}
reference: {learn: <learn>, at_least: <at_least>}
defaults: {notify: [default], min_n: <min_n>, clear_for: <clears>}
signals:
  declined: {kind: rate, field: prediction, when: [A]}
  income: {kind: distribution, field: /features/income, scale: log}
  job: {kind: category, field: /features/job}
receivers: {default: {slack: {url: "https://hooks.slack.example/x"}}}
kill_switches:
  chat:
    webhook: {url: "https://kill.example/x", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}
    mode: disable
    release: manual
    trip: dry_run
    per: [model]
    guard: {at_most: 3, within: 1h, min_n: <kill_n>, fresh: <fresh>}
<false_alarms>
<labels>
rules:
"""
KINDS: Final = {
    "rate": ["signal: <rate>, above: <rate_limit>", "signal: [error, timeout], above: <rate_limit>"],
    "override": ["signal: <rate>, above: <rate_limit>, overrides: <overrides>"],
    "drift": ["signal: <distribution>, drift: <side>, tolerance: <tolerance>", "signal: <rate>, drift: <side>"],
    "category": ["signal: <category>, drift: both", "signal: <category>, drift: both, tolerance: <tolerance>"],
    "quantile": ["signal: <distribution>, quantile: <high>, above: <value_limit>", "signal: <distribution>, <low>"],
    "window": ["signal: <counted>, window: <window>, above: <share_limit>"],
    "window of values": ["signal: <distribution>, window: <window>, quantile: <high>, above: <value>", "<slow>"],
    "total": ["signal: <summed>, total: <total>, above: <total_limit>", "signal: requests, total: 1m, below: 10"],
    "traffic": ["signal: requests, above: 2x", "signal: requests, below: 0.5x", "<both_ways>"],
    "absent": ["absent: <silence>"],
    "objective": ["signal: error, objective: <objective>", "signal: <bounded>, objective: <within>"],
    "kill": ["signal: <counted>, above: <kill_limit>, kill: chat", "<slow_kill>"],
    "each": ["signal: <rate>, above: <rate_limit>, each: <slice>", "signal: <shape>, drift: both, each: <slice>"],
}  # fmt: skip
WORDS: Final[Grammar] = {
    "lateness": ["3s", "3s", "0s", "1s", "10s", "15s", "60s"],
    "by": ["[model]", "[model]", "[model, segment.tenant]"],
    "slices": ["[version]", "[version, segment.country]", "[version, finish_reason, segment.country]"],
    "learn": ["100", "100", "200", "400"],
    "at_least": [*["0s"] * 3, "1m", "10m"],
    "min_n": ["1", "1", "5", "20"],
    "kill_n": ["5", "10", "20"],
    "fresh": ["60s", "10s", "5m"],
    "false_alarms": ["", *["false_alarms: 1 per 1h"] * 3, "false_alarms: {per: team}"],
    "max": ["1000", "1000", "2", "1"],
    "labels": ["", "labels: {join: 2h}", "labels: {join: 10m}", "labels: {join: 2h, max: 2000}"],
    "extras": ["<for><clears_for><during><match><n><dry>"],
    "for": [*[""] * 3, ", for: <delay>"],
    "delay": ["1s", "10s", "15s", "30s", "2m", "1h"],
    "clears_for": [*[""] * 2, ", clear_for: <clears>"],
    "clears": ["0s", "0s", "5s", "10s", "1m", "1m", "3m", "10m"],
    "during": [*[""] * 6, ", during: <hours>"],
    "hours": ['"Wed-Fri 05:00-22:00 Asia/Kolkata"', '"03:40-09:30"', '["03:00-04:00", "03:45-05:00"]', '"22:00-03:50"'],
    "match": [*[""] * 4, ", match: {model: <model>}"],
    "model": ["m0", "m1", '"m*"', '"!m0"'],
    "n": [*[""] * 9, ", min_n: 1", ", min_n: 50"],
    "dry": [*[""] * 12, ", dry_run: true"],
    "slice": ["version", "segment.country", "finish_reason"],
    "rate": ["<counted>", "<counted>", "wrong_language", "inconsistent"],
    "counted": [
        "error", "error", "error", "timeout", "rejected", "truncated", "empty_output", "abstained", "invalid_output",
        "fallback", "negative_feedback", "incorrect", "confidently_wrong", "cold_start", "late", "stale_cache",
        "missing.version", "missing.confidence", "declined",
    ],
    "distribution": [
        "input_tokens", "output_tokens", "output_chars", "confidence", "score", "latency_ms", "ttft_ms", "cost_usd",
        "batch_size", "abs_error", "income",
    ],
    "category": ["output_language", "finish_reason", "error_type", "prediction", "version", "job"],
    "shape": ["<distribution>", "<category>"],
    "rate_limit": ["1.5x", "2x", "3x", "2pp", "5pp", "5%", "10%", "30%", "50%", "<rate_tiers>"],
    "rate_tiers": ["{warning: 2x, critical: 30%}", "{info: 1.5x, warning: 3x}", "{warning: 3pp, critical: 20pp}"],
    "overrides": ["[{match: {model: m1}, above: <share_limit>}, {match: {team: b}, clear_for: 1m}]"],
    "side": ["both", "up", "down"],
    "tolerance": ["1.2x", "1.5x", "2x", "5pp", "10pp", "{info: 1.2x, warning: 3x}", "{warning: 5pp, critical: 20pp}"],
    "high": ["p50", "p90", "p95", "p99"],
    "low": ["quantile: p50, below: 0.5x", "quantile: p10, below: 100", "quantile: p5, below: 0.5"],
    "value": ["2s", "800", "0.9", "{warning: 800, critical: 3000}"],
    "value_limit": ["1.2x", "1.5x", "2s", "800ms", "500", "0.9", "{warning: 1.3x, critical: 3x}"],
    "window": ["1s", "5s", "10s", "30s", "60s", "5m"],
    "share_limit": ["5%", "15%", "20%", "50%"],
    "slow": ["signal: <distribution>, window: <window>, quantile: p50, below: 100"],
    "summed": ["cost_usd", "requests", "error", "output_tokens", "truncated"],
    "total": ["1m", "5m", "10m", "1h", "1d"],
    "total_limit": ["1", "5", "20", "100", "1000", "{warning: 10, critical: 40}"],
    "both_ways": ["signal: requests, above: {warning: 1.5x, critical: 2x}, below: 0.5x"],
    "silence": ["10s", "20s", "1m", "2m", "10m", "1h"],
    "objective": ["99%", "99.9%", "98%, over: 7d"],
    "bounded": ["latency_ms", "output_tokens"],
    "within": ["99% below 800", "95% below 300"],
    "kill_limit": ["{warning: 2x, critical: 10%}", "{critical: 30%}", "{warning: 2x, critical: 4x}"],
    "slow_kill": ["signal: latency_ms, quantile: p90, above: {warning: 2x, critical: 3s}, kill: chat"],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """A configuration, and how many rules of each kind it has."""

    config: Config
    kinds: tuple[str, ...]
    text: str


def filled(rng: Random, text: str, words: Grammar) -> str:
    """`text` with a choice for every place in it, and for those in what was chosen."""
    return _PLACE.sub(lambda place: filled(rng, rng.choice(words[place[1]]), words), text)


def random_rules(
    rng: Random, folder: Path, *, without: Sequence[str] = (), instead: Grammar | None = None
) -> Rules:
    """Three to eight rules of any kinds but those of `without`; `instead` are other choices for some places."""
    words = {**WORDS, **(instead or {})}
    kinds = [kind for kind in KINDS if kind not in without]
    taken = tuple(rng.choices(kinds, k=rng.randint(LEAST_RULES, MOST_RULES)))
    text = filled(rng, HEAD, words)
    for number, kind in enumerate(taken):
        forms = [f"name: r{number}, {form}<extras>" for form in KINDS[kind]]
        text, settings = _with_rule(rng, folder, text, {**words, "rule": forms})
    return Rules(settings, taken, text)


def _with_rule(rng: Random, folder: Path, text: str, words: Grammar) -> tuple[str, Config]:
    """Another one until the loader takes it: it refuses what goes not together, such as `kill` with `for`."""
    path = folder / "alerts.yaml"
    for _ in range(TRIES):
        longer = f"{text}  - {{{filled(rng, '<rule>', words)}}}\n"
        path.write_text(longer)
        with suppress(ConfigError):
            return longer, config.load(path, environ={}, need=config.REPLAY)
    raise ValueError(f"no rule was taken of {TRIES}: {words['rule']}")
