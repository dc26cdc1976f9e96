"""How fast messages of other formats become columns, beside Tocsin's own record, in one run on one core.

Run it as `python benchmarks/formats_speed.py`. `decode` is from bytes to columns, `in all` to what a checkpoint holds.
Presets read the fixtures of their tests over and over, `mapped` own records under other names, some nested.
"""

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

from benchmarks.records_speed import START_MS, record
from monitor.cli.enveloped import unpacked
from monitor.config.mapping import preset, read_format
from monitor.config.presets import PRESETS
from monitor.config.problem import Report
from monitor.config.section import Section
from monitor.config.tree import parse
from monitor.records.aggregate import PartitionAggregator, RawBatch
from monitor.records.decode import Headers, RecordDecoder
from monitor.records.formats.decode import MappedDecoder
from monitor.records.formats.evaluate import Envelope
from monitor.records.language import LanguageDetector
from monitor.records.names import Names
from monitor.records.sampling import LanguageSampler
from monitor.records.settings import MeasureSettings

FIXTURES: Final = Path("tests/records/formats")
BATCH: Final = 5_000
MAPPED: Final = """
map:
  model: scorer
  version: /release/version
  id: request
  ts: {field: at, unit: ms}
  status: {field: outcome, ok: [ok], timeout: [TIMEOUT]}
  output: answer
  input_tokens: /usage/in
  output_tokens: /usage/out
  confidence: /scores/confidence
  finish_reason: [why, reason]
  latency_ms: {field: took, unit: us}
  ttft_ms: {field: first, unit: us}
"""


@dataclass
class Log:
    """Messages of one format, cut into batches of about as many records."""

    name: str
    settings: MeasureSettings
    batches: list[RawBatch]
    records: int = 0

    def __post_init__(self) -> None:
        # A partition makes its decoder once.
        form, settings = self.settings.format, self.settings
        self.decoder = (
            RecordDecoder(settings, Counter()) if form is None else MappedDecoder(form, settings, Counter())
        )

    def decoded(self) -> None:
        self.records = 0
        decoder = self.decoder
        for raw in self.batches:
            if isinstance(decoder, RecordDecoder):
                found = decoder.decode_all(raw.values)
            else:
                found = decoder.decode_all(
                    raw.values, Envelope("t", raw.timestamps_ms, raw.keys, raw.headers)
                )
            self.records += len(found.rows)

    def counted(self, detector: LanguageDetector) -> None:
        sampler, names = LanguageSampler(detector), Names(self.settings.by, self.settings.max_streams)
        aggregator = PartitionAggregator(
            self.settings, names, sampler, "t", 0, from_offset=0, max_event_ms=None
        )
        for raw in self.batches:
            aggregator.add(raw, START_MS + 60_000)
        aggregator.take()


def renamed(value: bytes) -> bytes:
    own = json.loads(value)
    outcome = "TIMEOUT" if own["status"] == "timeout" else "ok"
    return json.dumps(
        {
            "scorer": own["model"], "release": {"version": own["version"], "commit": "0a1b"}, "request": own["id"],
            "at": own["ts"], "outcome": outcome, "answer": own["output"], "reason": own["finish_reason"],
            "usage": {"in": own["input_tokens"], "out": own["output_tokens"]},
            "scores": {"confidence": own["confidence"]},
            "took": own["latency_ms"] * 1e3, "first": own["ttft_ms"] * 1e3,
        },
        ensure_ascii=False,
    ).encode()  # fmt: skip


def batched(values: list[bytes], headers: list[Headers] | None = None) -> list[RawBatch]:
    return [
        RawBatch(
            range(first, first + len(values[first : first + BATCH])),
            [START_MS] * len(values[first : first + BATCH]),
            values[first : first + BATCH],
            headers=headers[first : first + BATCH] if headers else (),
        )
        for first in range(0, len(values), BATCH)
    ]


def logs(records: int) -> list[Log]:
    rng = random.Random(7)
    own = [record(rng, i, 1, False) for i in range(records)]
    node = parse(MAPPED, report := Report("mapped"))
    assert node is not None
    form = read_format(Section(node, report))
    made = [
        Log("own record", MeasureSettings(), batched(own)),
        Log("mapped", MeasureSettings(format=form), batched(list(map(renamed, own)))),
    ]
    return made + [of_preset(name, records) for name in PRESETS]


def of_preset(name: str, records: int) -> Log:
    """The fixture's messages that hold records, until there are about so many of these."""
    values, headers = unpacked((FIXTURES / f"{name}.jsonl").read_bytes().splitlines())
    settings = MeasureSettings(format=preset(name))
    assert settings.format is not None
    decoder = MappedDecoder(settings.format, settings, Counter())
    rows = decoder.decode_all(values, Envelope("t", [START_MS] * len(values), (), headers)).rows
    kept = sorted(set(rows))
    n = max(1, records * len(kept) // len(rows))
    return Log(
        name,
        settings,
        batched(
            list(islice(cycle([values[i] for i in kept]), n)),
            list(islice(cycle([headers[i] for i in kept]), n)),
        ),
    )


def seconds(call: Callable[[], None]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=5)
    given = parser.parse_args()
    all_logs, detector = logs(given.records), LanguageDetector()
    detector.detect("load the model before the clock starts to run")
    best: dict[tuple[str, str], float] = {}
    for _ in range(given.repeat):
        for log in all_logs:
            for stage, call in (("decode", log.decoded), ("all", lambda log=log: log.counted(detector))):
                key = (log.name, stage)
                best[key] = min(best.get(key, float("inf")), seconds(call))
    own = {stage: best["own record", stage] / all_logs[0].records for stage in ("decode", "all")}
    print("format             records  bytes each  decode us  of own  in all us  of own")
    for log in all_logs:
        size = sum(len(v or b"") for raw in log.batches for v in raw.values) / log.records
        decode, whole = (best[log.name, stage] / log.records for stage in ("decode", "all"))
        print(
            f"{log.name:18} {log.records:7} {size:11.0f} {decode * 1e6:10.2f} {own['decode'] / decode:7.2f}"
            f" {whole * 1e6:10.2f} {own['all'] / whole:7.2f}"
        )


if __name__ == "__main__":
    main()
