"""Real logs with known changes through `tocsin replay`: what it finds, how late, and what it says before.

    TOCSIN_REAL_DATA=folder python -m benchmarks.real_streams [NAME ...]

Prints a Markdown table; exit code 1 if a change with evidence enough was not found on its signal, or if anything
alarmed before a change that is not known to move there.
"""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.real_data import Prediction, Stream, streams
from monitor.config import REPLAY
from monitor.config.loading import load
from monitor.ingest.settings import measure_settings
from monitor.judge.block import PaneBlock, pane_counts
from monitor.judge.compiling import compile_plan
from monitor.judge.core import pane_step
from monitor.judge.evidence import count_rows
from monitor.judge.language_samples import sample_cells
from monitor.judge.plan import Plan
from monitor.judge.state import JudgeState
from monitor.records import fold
from monitor.records.aggregate import PartitionAggregator, RawBatch
from monitor.records.delta import PANE_MS, Cells
from monitor.records.language import LanguageDetector
from monitor.records.names import Names
from monitor.records.sampling import LanguageSampler

COLUMNS: Final = (
    "stream",
    "change",
    "signal expected",
    "n",
    "KL(p1\\|\\|m)",
    "evidence n KL",
    "needed 2 ln(A/w)",
    "records a block",
    "alarmed on",
    "delay in records",
    "alarms before",
    "other signals after",
)
SPACING_MS: Final = 6_000
LEAST_LEARNED: Final = 100
"""What `learn` may be at least; a shorter quiet part leaves its reference provisional."""
START_MS: Final = 1_767_225_600_000
CONFIGURATION: Final = """\
name: real-streams
reference: {{learn: {learn}, at_least: 0s}}
false_alarms: 1 per 30d
defaults: {{min_n: 20}}
signals: {{cached: {{kind: rate, field: cache_hit, when: [true]}}}}
rules:
  - {{name: errors,         signal: error,           above: 2x}}
  - {{name: truncated,      signal: truncated,       above: 2x}}
  - {{name: invalid,        signal: invalid_output,  above: 2x}}
  - {{name: incorrect,      signal: incorrect,       above: 2x}}
  - {{name: length,         signal: output_tokens,   drift: both, tolerance: 1.5x}}
  - {{name: language,       signal: output_language, drift: both, tolerance: 2x}}
  - {{name: wrong_language, signal: wrong_language,  above: 2x}}
  - {{name: confidence,     signal: confidence,      drift: down, tolerance: 10pp}}
  - {{name: latency,        signal: latency_ms,      drift: both, tolerance: 1.5x}}
  - {{name: slow,           signal: latency_ms,      quantile: p99, above: 1.5x}}
  - {{name: cache,          signal: cached,          below: 0.5x}}
receivers:
  default: {{slack: {{url: "${{SLACK_URL}}"}}}}
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a change brings against the detector that sees it best: n records, KL(p1||m) each, 2 ln(A/w) needed."""

    n: float
    kl: float
    needed: float
    block_records: float

    @property
    def nats(self) -> float:
        return self.n * self.kl

    @property
    def enough(self) -> bool:
        return self.nats >= self.needed


@dataclass(frozen=True, slots=True)
class Alarm:
    """An incident of the replay; `record` is the number of the last record it rests on."""

    rule: str
    signal: str
    record: int


@dataclass(frozen=True, slots=True)
class Row:
    """One stream and one signal that its change should move; none of the evidence where nothing changes."""

    stream: Stream
    signal: str
    evidence: Evidence | None
    alarms: tuple[Alarm, ...]

    @property
    def before(self) -> list[Alarm]:
        return [a for a in self.alarms if a.record < len(self.stream.quiet)]

    @property
    def after(self) -> list[Alarm]:
        return [a for a in self.alarms if a.record >= len(self.stream.quiet)]

    @property
    def found(self) -> Alarm | None:
        return next((a for a in self.after if a.signal == self.signal), None)

    @property
    def holds(self) -> bool:
        """Whether the promise of the benchmark is kept here."""
        unexpected = [a for a in self.before if a.signal != self.stream.drifts_by_itself]
        missed = self.evidence is not None and self.evidence.enough and self.found is None
        return not unexpected and not missed


def main(names: Sequence[str]) -> int:
    folder = os.environ.get("TOCSIN_REAL_DATA")
    if not folder or not Path(folder).is_dir():
        print("TOCSIN_REAL_DATA must name the folder of real data sets", file=sys.stderr)
        return 2
    chosen = [s for s in streams(Path(folder)) if not names or any(n in s.name for n in names)]
    rows: list[Row] = []
    for number, stream in enumerate(chosen, 1):
        print(f"{number} of {len(chosen)}: {stream.name}", file=sys.stderr, flush=True)
        rows += measured(stream)
    learned = f"`learn` is half the quiet part, at least {LEAST_LEARNED}"
    print(f"One configuration ({learned}), a record every {SPACING_MS // 1000} s:\n")
    print("```yaml\n" + CONFIGURATION.format(learn="HALF") + "```\n", flush=True)
    print(table(rows))
    return 0 if all(row.holds for row in rows) else 1


def measured(stream: Stream) -> list[Row]:
    """The rows of one stream: replayed as a user would, its evidence reckoned from what the judge had learned."""
    with tempfile.TemporaryDirectory() as place:
        config, log = Path(place) / "alerts.yaml", Path(place) / "log.jsonl"
        config.write_text(CONFIGURATION.format(learn=max(len(stream.quiet) // 2, LEAST_LEARNED)))
        lines = encoded([*stream.quiet, *stream.changed])
        log.write_bytes(b"\n".join(lines))
        alarms = tuple(replayed(log, config))
        evidence = weighed(config, stream, lines) if stream.changed else {}
    signals = stream.expected or ("",)
    return [Row(stream, signal, evidence.get(signal), alarms) for signal in signals]


def encoded(predictions: Iterable[Prediction]) -> list[bytes]:
    """One JSON record each, evenly spaced in time."""
    return [
        json.dumps({"model": "real", "ts": START_MS + i * SPACING_MS, **prediction}).encode()
        for i, prediction in enumerate(predictions)
    ]


def replayed(log: Path, config: Path) -> Iterable[Alarm]:
    command = [sys.executable, "-m", "monitor.cli", "replay", str(log), "--json", "-c", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"tocsin replay ended with {done.returncode}: {done.stderr.strip()}")
    for line in done.stdout.splitlines():
        incident: Mapping[str, Any] = json.loads(line)
        detected_ms = datetime.fromisoformat(incident["detected_at"]).timestamp() * 1_000
        record = max(0, math.ceil((detected_ms - START_MS) / SPACING_MS) - 1)
        yield Alarm(incident["rule"], incident["signal"], record)


def weighed(config: Path, stream: Stream, lines: Sequence[bytes]) -> dict[str, Evidence]:
    """The best evidence on each expected signal, against the limits that hold when the change comes."""
    settings = load(config, need=REPLAY)
    plan, names = compile_plan(settings), Names(("model",), 10)
    meter = _Meter(settings, names)
    state = _learned(meter.cells(lines[: len(stream.quiet)]), plan)
    counts = pane_counts(meter.cells(lines[len(stream.quiet) :]))
    found: dict[str, Evidence] = {}
    for watch in plan.watches:
        now = state.watches.get(watch.key)
        if now is None or watch.signal.name not in stream.expected or watch.signal.code not in counts:
            continue
        rows = now.rows
        k, n = count_rows(rows, counts[watch.signal.code], now.known)
        weight = watch.weight * rows.share * rows.block
        for i in np.flatnonzero((n > 0) & (k > n * rows.m)).tolist():
            block_records = float(rows.block[i]) * PANE_MS / SPACING_MS
            needed = 2 * math.log(plan.threshold / weight[i])
            evidence = Evidence(n[i], kl(k[i] / n[i], rows.m[i]), needed, block_records)
            best = found.get(watch.signal.name)
            if best is None or evidence.nats / evidence.needed > best.nats / best.needed:
                found[watch.signal.name] = evidence
    return found


class _Meter:
    """Counts log lines as ingest would, all with the same names."""

    def __init__(self, settings: Any, names: Names) -> None:
        self._settings = measure_settings(settings)
        self._names = names
        self._sampler = LanguageSampler(LanguageDetector())

    def cells(self, lines: Sequence[bytes]) -> Cells:
        times = [json.loads(line)["ts"] for line in lines]
        counter = PartitionAggregator(
            self._settings, self._names, self._sampler, "replay", 0, from_offset=0, max_event_ms=None
        )
        counter.add(RawBatch(range(len(lines)), times, lines), times[-1])
        delta = counter.take().delta
        return fold.concat([delta.cells, sample_cells(delta.languages)], Cells)


def _learned(cells: Cells, plan: Plan) -> JudgeState:
    """The judge's state after the quiet part."""
    state = JudgeState()
    labels = {stream: {"model": "real"} for stream in np.unique(cells.stream).tolist()}
    for pane in range(int(cells.evidence.min()), int(cells.evidence.max()) + 1):
        mine = cells.evidence == pane
        columns = {name: getattr(cells, name)[mine] for name in Cells.__dataclass_fields__}
        state, _ = pane_step(state, PaneBlock(pane, pane_counts(Cells(**columns)), labels), plan)
    return state


def kl(a: float, b: float) -> float:
    """KL(Bernoulli(a) || Bernoulli(b)) in nats."""
    ahead = a * math.log(a / b) if a > 0 else 0.0
    behind = (1 - a) * math.log((1 - a) / (1 - b)) if a < 1 else 0.0
    return ahead + behind


def table(rows: Iterable[Row]) -> str:
    """Markdown, a line a row."""
    head = "| " + " | ".join(COLUMNS) + " |"
    return "\n".join([head, "|" + "---|" * len(COLUMNS), *map(_line, rows)])


def _line(row: Row) -> str:
    evidence, found = row.evidence, row.found
    figures = ["", "", "", "", ""]
    if evidence is not None:
        figures = [
            f"{evidence.n:,.0f}",
            f"{evidence.kl:.3f}",
            f"{evidence.nats:,.0f}",
            f"{evidence.needed:.0f}",
            f"{evidence.block_records:.0f}",
        ]
    alarmed = f"{found.rule} ({found.signal})" if found else ("" if not row.signal else "nothing")
    if evidence is None and found is None and row.signal:
        alarmed = "nothing: no limit was ready"
    if evidence is not None and not evidence.enough and found is None:
        alarmed = "nothing: too little evidence"
    delay = str(found.record - len(row.stream.quiet) + 1) if found else ""
    others = Counter(a.signal for a in row.after if a.signal != row.signal)
    cells = [row.stream.name, row.stream.change, row.signal or "none", *figures, alarmed, delay, _before(row)]
    return "| " + " | ".join([*cells, ", ".join(sorted(others)) or "none"]) + " |"


def _before(row: Row) -> str:
    known = [a for a in row.before if a.signal == row.stream.drifts_by_itself]
    others = [a for a in row.before if a not in known]
    told = [f"{len(known)} on {row.stream.drifts_by_itself}, its own mix drift"] if known else []
    told += [f"{a.rule} at record {a.record}" for a in others]
    return "; ".join(told) or "0"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
