"""Microseconds a record from bytes to a checkpoint's blob, by stage, on one core.

Run it as `python benchmarks/records_speed.py`. Records have about 350 bytes with a text of 120 characters and come at
2,000 a second of event time; a checkpoint is taken every `--checkpoint` records, as when catching up.
"""

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np

from monitor.records.aggregate import PartitionAggregator
from monitor.records.batch import batch_of
from monitor.records.codec import decode, encode, fold
from monitor.records.columns import Columns
from monitor.records.decode import RawBatch, RecordDecoder
from monitor.records.language import LanguageDetector
from monitor.records.measure import measure
from monitor.records.names import Names
from monitor.records.placing import slice_codes, stream_codes
from monitor.records.sampling import LanguageSampler
from monitor.records.settings import MeasureSettings
from monitor.records.signals import BY_NAME
from monitor.records.tables import cells_and_sums
from monitor.records.timing import event_times, lateness

START_MS = 1_731_553_880_000
A_SECOND = 2_000
SENTENCES = (
    "Ihre Bestellung ist heute Morgen verschickt worden und sollte am Freitag bei Ihnen ankommen, sagt der Bote. ",
    "Your parcel left the warehouse this morning and should reach you on Friday if the weather does not get worse. ",
    "Votre colis a quitté notre entrepôt ce matin et devrait vous parvenir vendredi, sauf si la neige continue. ",
    "Su pedido salió del almacén esta mañana y debería llegar a su casa el viernes, si el tiempo no empeora más. ",
)


def record(rng: random.Random, i: int, streams: int, text_time: bool) -> bytes:
    text = (rng.choice(SENTENCES) + rng.choice(SENTENCES))[:120]
    at = START_MS + i * 1_000 // A_SECOND
    failed = rng.random() < 0.01
    fields = {
        "model": f"chat-{rng.randrange(streams)}",
        "version": "v41" if rng.random() < 0.5 else "v42",
        "id": f"r{i:08d}",
        "ts": f"{np.datetime64(at, 'ms')}Z" if text_time else at,
        "status": "timeout" if failed else "ok",
        "output": text,
        "input_tokens": rng.randrange(5, 900),
        "output_tokens": rng.randrange(5, 400),
        "confidence": round(rng.betavariate(8, 2), 4),
        "finish_reason": rng.choices(("stop", "length"), (97, 3))[0],
        "latency_ms": round(rng.lognormvariate(6, 0.6), 1),
        "ttft_ms": round(rng.lognormvariate(4, 0.6), 1),
    }
    return json.dumps(fields, ensure_ascii=False).encode()


def batches(records: int, size: int, streams: int, text_time: bool) -> list[RawBatch]:
    rng = random.Random(7)
    values = [record(rng, i, streams, text_time) for i in range(records)]
    print(
        f"records: {records}, {sum(map(len, values)) / records:.0f} bytes, {streams} streams, batches of {size}"
    )
    return [
        RawBatch(
            range(first, min(first + size, records)),
            [START_MS + i * 1_000 // A_SECOND for i in range(first, min(first + size, records))],
            values[first : first + size],
        )
        for first in range(0, records, size)
    ]


def settings_for(fresh: bool) -> MeasureSettings:
    codes = frozenset({BY_NAME["error"].code, BY_NAME["latency_ms"].code})
    return MeasureSettings(kill_signals=codes, fresh_ms=10**9 if fresh else 60_000)


def timed(stage: str, found: dict[str, float], call: Callable[[], Iterator[None]]) -> None:
    begun = time.process_time()
    for _ in call():
        pass
    found[stage] = min(found.get(stage, float("inf")), time.process_time() - begun)


class Stages:
    """The same batches through each stage by itself, then through all of them together."""

    def __init__(self, raw: list[RawBatch], settings: MeasureSettings, checkpoint: int) -> None:
        self.raw, self.settings, self.every = raw, settings, max(1, checkpoint // len(raw[0].values))
        self.clock_ms = START_MS + 60_000
        self.names = Names(settings.by, settings.max_streams)
        self.dropped: Counter[str] = Counter()
        self.detector = LanguageDetector()
        self.detector.detect("load the model before the clock starts to run")

    def decoding(self) -> Iterator[None]:
        decoder = RecordDecoder(self.settings, self.dropped)
        self.decoded = []
        for raw in self.raw:
            self.decoded.append(decoder.decode_all(raw.values))
            yield

    def columns(self) -> Iterator[None]:
        self.columned = []
        for decoded in self.decoded:
            self.columned.append(Columns(decoded.table, self.dropped))
            yield

    def timing(self) -> Iterator[None]:
        self.ordered, largest = [], None
        for columns, raw in zip(self.columned, self.raw, strict=True):
            times = event_times(columns.raw("ts"), np.array(raw.timestamps_ms))
            order = lateness(times.event_ms, self.settings.lateness_ms, largest)
            largest = order.max_event_ms
            self.ordered.append(order)
            yield

    def measuring(self) -> Iterator[None]:
        self.measured = []
        for columns, order in zip(self.columned, self.ordered, strict=True):
            batch = batch_of(columns, order.late, 0.0)
            self.measured.append(list(measure(batch)))
            yield

    def counting(self) -> Iterator[None]:
        for columns, order, measured in zip(self.columned, self.ordered, self.measured, strict=True):
            stream = stream_codes(columns, self.settings.by, self.names, self.clock_ms)
            slices = slice_codes(stream, "version", columns.names("version"), self.names)
            cells_and_sums(measured, (stream, slices, order.pane, order.evidence), self.names)
            yield

    def everything(self) -> Iterator[None]:
        sampler = LanguageSampler(self.detector)
        names = Names(self.settings.by, self.settings.max_streams)
        aggregator = PartitionAggregator(
            self.settings, names, sampler, "bench", 0, from_offset=0, max_event_ms=None
        )
        self.spent, self.blobs, self.rows = Counter[str](), [], 0
        for i, raw in enumerate(self.raw, 1):
            at = time.process_time()
            aggregator.add(raw, self.clock_ms)
            self.spent["add"] += time.process_time() - at
            if i % self.every == 0 or i == len(self.raw):
                at = time.process_time()
                intake = aggregator.take()
                then = time.process_time()
                self.blobs.append(encode(intake.delta))
                self.spent["take"] += then - at
                self.spent["encode"] += time.process_time() - then
                self.rows += intake.delta.cells.count.size
            yield


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=5_000)
    parser.add_argument("--checkpoint", type=int, default=20_000)
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--text-time", action="store_true", help="`ts` as RFC 3339 rather than milliseconds")
    parser.add_argument("--fresh", action="store_true", help="records young enough to count for kills")
    parser.add_argument("--repeat", type=int, default=3)
    given = parser.parse_args()
    raw = batches(given.records, given.batch, given.streams, given.text_time)
    stages = Stages(raw, settings_for(given.fresh), given.checkpoint)
    found: dict[str, float] = {}
    spent: dict[str, float] = {}
    for _ in range(given.repeat):
        for stage in ("decoding", "columns", "timing", "measuring", "counting", "everything"):
            timed(stage, found, getattr(stages, stage))
        spent = {s: min(t, spent.get(s, t)) for s, t in stages.spent.items()}
    for stage, seconds in (found | spent).items():
        print(f"{stage:12} {seconds / given.records * 1e6:7.3f} us a record")
    begun = time.process_time()
    fold(decode(blob) for blob in stages.blobs)
    folding = time.process_time() - begun
    size = sum(map(len, stages.blobs)) / len(stages.blobs)
    shown = f"blobs: {len(stages.blobs)} of {size / 1024:.1f} KiB, {stages.rows} rows of cells"
    print(f"{shown}; folded in {folding * 1e3:.1f} ms")
    print(f"records_speed: {found['everything'] / given.records * 1e6:.2f} us a record in all")


if __name__ == "__main__":
    main()
