"""Plans and blocks for tests of the judge, from alerts.yaml text and plain numbers."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from monitor import config
from monitor.config import REPLAY
from monitor.judge.block import Counts, PaneBlock, SlotBlock, folded
from monitor.judge.compiling import compile_plan
from monitor.judge.plan import Plan
from monitor.records.signals import BY_NAME

HEAD = """
name: test
source: {bootstrap_servers: "localhost:9092", topic: predictions}
store: {url: "postgresql://localhost/none"}
receivers: {default: {slack: {url: "https://hooks.slack.example/x"}}}
defaults: {notify: [default], min_n: 1, clear_for: 1m}
kill_switches:
  chat:
    webhook: {url: "https://kill.example/x", secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}
    mode: disable
    release: manual
    guard: {at_most: 1, within: 1h, min_n: 10, fresh: 60s}
"""
LABELS = {1: {"model": "chat-eu"}, 2: {"model": "chat-us"}}


def plan_of(tmp_path: Path, text: str) -> Plan:
    """The plan of `HEAD` with further sections."""
    path = tmp_path / "alerts.yaml"
    path.write_text(HEAD + text)
    return compile_plan(config.load(path, environ={}, need=REPLAY))


def counts_of(histograms: Mapping[int, Mapping[int, int]]) -> Counts:
    """{stream: {bucket: count}} as counts."""
    rows = [(s, b, c) for s, h in histograms.items() for b, c in h.items() if c]
    columns = np.array(rows, np.int64).reshape(-1, 3)
    return folded(columns[:, 0], columns[:, 1], columns[:, 2])


def pane(number: int, signals: Mapping[str, Mapping[int, Mapping[int, int]]], **more: object) -> PaneBlock:
    """A pane of {signal: {stream: {bucket: count}}}."""
    counts = {BY_NAME[name].code: counts_of(h) for name, h in signals.items()}
    return PaneBlock(number, counts, LABELS, **more)  # type: ignore[arg-type]


def errors(number: int, n: int, k: int, stream: int = 1) -> PaneBlock:
    """A pane in which `k` of `n` requests fail."""
    return pane(number, {"requests": {stream: {0: n}}, "error": {stream: {0: n - k, 1: k}}})


def slot(number: int, n: int, k: int, signal: str = "error", stream: int = 1) -> SlotBlock:
    """A second in which `k` of `n` requests fail."""
    return SlotBlock(number, {BY_NAME[signal].code: counts_of({stream: {0: n - k, 1: k}})}, LABELS)
