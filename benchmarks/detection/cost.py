"""What a pane costs: `pane_step` with every shipped rule on, for 1, 100 and 1000 streams that have learned."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
from ruamel.yaml import YAML

from monitor.cli.demo.config import top_level
from monitor.config import REPLAY
from monitor.config.loading import load
from monitor.judge.block import Counts, PaneBlock, folded
from monitor.judge.compiling import compile_plan
from monitor.judge.core import pane_step
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.records.delta import PANE_MS
from monitor.records.signals import BY_NAME, Kind, Signal

SEED: Final = 20_260_103
REQUESTS: Final = 20
LEARN: Final = 1_200
LEARNING_PANES: Final = 130
FIRST_PANE: Final = 176_722_560
A_FIFTH_OF_A_CORE_S: Final = PANE_MS / 1000 / 5


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of CPU a pane: median and worst, over `panes`; `rows` is how many rare events were followed."""

    streams: int
    rows: int
    panes: int
    median_s: float
    worst_s: float
    learning_s: float

    @property
    def core(self) -> float:
        """Share of one core: a pane comes every ten seconds."""
        return self.median_s / (PANE_MS / 1000)


def measured(streams: Sequence[int], panes: int) -> list[Cost]:
    plan = _plan()
    return [_cost(plan, count, panes) for count in streams]


def _cost(plan: Plan, streams: int, panes: int) -> Cost:
    blocks = _blocks(plan, streams)
    state, began = JudgeState(), time.process_time()
    for _ in range(LEARNING_PANES):
        state, _ = pane_step(state, next(blocks), plan)
    learning = (time.process_time() - began) / LEARNING_PANES
    spent = []
    for _ in range(panes):
        block, began = next(blocks), time.process_time()
        state, _ = pane_step(state, block, plan)
        spent.append(time.process_time() - began)
    if state.quarantined:
        raise RuntimeError(f"rules that raise cost nothing: {dict(state.quarantined)}")
    rows = sum(len(watch.rows) for watch in state.watches.values())
    return Cost(streams, rows, panes, median(spent), max(spent), learning)


def _plan() -> Plan:
    """The documented alerts.yaml, every rule enabled and for all streams."""
    yaml = YAML()
    document = yaml.load(top_level().read_text("utf-8"))
    document["reference"] = {"learn": LEARN, "at_least": "0s"}
    for rule in document["rules"]:
        rule.pop("match", None)
        rule.pop("kill", None)
        rule.pop("enabled", None)
    document.pop("kill_switches", None)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "alerts.yaml"
        yaml.dump(document, path)
        return compile_plan(load(path, need=REPLAY))


def _blocks(plan: Plan, streams: int) -> Iterator[PaneBlock]:
    """Panes of healthy streams, a count for every signal that a rule watches."""
    rng = np.random.default_rng(SEED)
    labels = {stream: {"model": f"model-{stream}"} for stream in range(streams)}
    watched = {watch.signal.code: watch.signal for watch in plan.watches}
    requests = BY_NAME["requests"].code
    pane = FIRST_PANE
    while True:
        counts = {code: _counts(rng, signal, streams) for code, signal in watched.items()}
        each = np.arange(streams)
        counts[requests] = Counts(each, np.zeros(streams, np.int64), np.full(streams, REQUESTS))
        yield PaneBlock(pane, counts, labels)
        pane += 1


def _counts(rng: np.random.Generator, signal: Signal, streams: int) -> Counts:
    stream = np.repeat(np.arange(streams), REQUESTS)
    if signal.kind is Kind.RATE:
        bucket = (rng.random(stream.size) < 0.01).astype(np.int64)
    elif signal.kind is Kind.CATEGORY:
        bucket = rng.choice([1, 2, 3], stream.size, p=[0.7, 0.2, 0.1])
    elif signal.scale is None:
        bucket = np.zeros(stream.size, np.int64)
    else:
        share = signal.unit == "probability"
        values = rng.beta(8, 2, stream.size) if share else rng.lognormal(5, 0.5, stream.size)
        bucket = signal.scale.bucket(values).astype(np.int64)
    return folded(stream, bucket, np.ones(stream.size, np.int64))


def table(costs: Sequence[Cost]) -> str:
    head = "| streams | rare events | median a pane | worst | a stream | of one core | while learning |"
    lines = [head, "|" + "---|" * 7]
    for cost in costs:
        each = cost.median_s / cost.streams * 1e6
        lines.append(
            f"| {cost.streams} | {cost.rows:,} | {cost.median_s * 1e6:,.0f} us | {cost.worst_s * 1e6:,.0f} us "
            f"| {each:,.0f} us | {cost.core:.2%} | {cost.learning_s * 1e6:,.0f} us |"
        )
    return "\n".join(lines)
