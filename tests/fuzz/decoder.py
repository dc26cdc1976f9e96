"""The record decoder, and all that measures what it gives: any value is counted or skipped, and can be stored."""

import json
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

from mutations import Damage

from monitor.records.aggregate import PartitionAggregator
from monitor.records.codec import decode, encode
from monitor.records.decode import RawBatch
from monitor.records.language import LanguageDetector
from monitor.records.names import Names
from monitor.records.record import Record
from monitor.records.sampling import LanguageSampler
from monitor.records.settings import MeasureSettings
from monitor.records.signals import SIGNALS, Kind
from monitor.records.user_signals import UserSignal, user_signal

CLOCK_MS = 1_731_553_800_000
BATCH = 250
PARTITIONS_LAST = 40_000
SEEDS = [
    {
        "model": "chat-eu", "version": "v42", "prompt_version": "p1", "id": "r1", "trace_id": "t1", "user": "u1",
        "ts": 1_731_553_200.5, "status": "ok", "input": "Where is my parcel?", "output": "Es ist unterwegs.",
        "input_tokens": 12, "output_tokens": 34, "input_language": "en", "confidence": 0.93, "abstained": False,
        "finish_reason": "stop", "latency_ms": 812.5, "ttft_ms": 120, "memory_bytes": 1 << 30, "cost_usd": 0.002,
        "batch_size": 4, "cache_hit": True, "cached_version": "v41", "segment": {"country": "ch", "plan": "pro"},
    },
    {"model": "search", "ts": "2024-11-14T02:51:20Z", "status": "timeout", "error_type": "Timeout"},
    {
        "model": "credit", "prediction": "DECLINE", "score": 0.71, "label": "APPROVE", "correct": False, "id": "c1",
        "features": {"income_eur": 4200, "x": [1, {"y": 2}]}, "sample_rate": 0.5, "valid_output": False, "rating": -1,
    },
    {"type": "feedback", "model": "chat-eu", "id": "r1", "rating": 0, "ts": 1_731_553_300},
    {"type": "label", "model": "credit", "id": "c1", "label": "DECLINE", "correct": True, "ts": 1_731_553_300_000},
]  # fmt: skip
OWN = (
    UserSignal(user_signal("income", Kind.DISTRIBUTION, "/features/income_eur"), ("features", "income_eur")),
    UserSignal(user_signal("declined", Kind.RATE, "prediction"), ("prediction",), when=("DECLINE",)),
)
SETTINGS = MeasureSettings(
    by=("model", "segment.country"),
    slices=("version", "segment.plan"),
    max_streams=50,
    window_signals=frozenset(s.code for s in SIGNALS if s.of != "ok, sampled by hash"),
    kill_signals=frozenset({1, 38, 66}),
    fresh_ms=10**15,
    input_language=True,
    user_signals=OWN,
)


WORDS = [*Record.__struct_fields__, "segment", "features", "x", "country", "plan", "unknown"]


def members(seed: Any) -> list[tuple[str, Any]]:
    """Keys and values of a record, and of an array of records those of each."""
    return list(seed.items()) if isinstance(seed, dict) else [pair for item in seed for pair in members(item)]


class DecoderTarget:
    """Makes batches of damaged records and gives them to a partition, a new one now and then."""

    name = "decoder"
    batch = BATCH

    def __init__(
        self,
        rng: Random,
        settings: MeasureSettings = SETTINGS,
        seeds: Sequence[Any] = SEEDS,
        words: Sequence[str] = WORDS,
    ) -> None:
        self._rng, self._settings, self._seeds = rng, settings, seeds
        values = [value for seed in seeds for _, value in members(seed)]
        self._damage = Damage(rng, words, values)
        self._texts = [json.dumps(seed).encode() for seed in seeds]
        self._detector = LanguageDetector()
        self._fed = 0
        self.seen: Counter[str] = Counter()
        self._fresh()

    def _fresh(self) -> None:
        names = Names(self._settings.by, self._settings.max_streams)
        self._aggregator = PartitionAggregator(
            self._settings, names, LanguageSampler(self._detector), "predictions", 0,
            from_offset=0, max_event_ms=None, predictions=None,
        )  # fmt: skip

    def inputs(self) -> list[bytes | None]:
        """One batch: records damaged as trees, as bytes, and a few left as they are."""
        made: list[bytes | None] = []
        for _ in range(BATCH):
            kind = self._rng.random()
            if kind < 0.45:
                tree = self._damage.tree(self._rng.choice(self._seeds))
                made.append(json.dumps(tree, ensure_ascii=kind < 0.2).encode("utf-8", "surrogatepass"))
            elif kind < 0.9:
                made.append(self._damage.text(self._rng.choice(self._texts), self._texts))
            else:
                made.append(self._rng.choice([*self._texts, None]))
        return made

    def _batch(self, values: list[bytes | None]) -> RawBatch:
        return RawBatch(range(self._fed, self._fed + len(values)), [CLOCK_MS] * len(values), values)

    def feed(self, values: list[bytes | None]) -> None:
        """Count them; raises where one is neither counted nor skipped, or what was counted cannot be stored."""
        if self._fed >= PARTITIONS_LAST:
            self._fresh()
            self._fed = 0
        batch = self._batch(values)
        self._fed += len(values)
        self._aggregator.add(batch, CLOCK_MS)
        intake = self._aggregator.take()
        if intake.counted + intake.skipped_count != len(values):
            raise AssertionError(f"{intake.counted} counted, {intake.skipped_count} skipped of {len(values)}")
        if decode(encode(intake.delta)).cells.count.sum() != intake.delta.cells.count.sum():
            raise AssertionError("what is stored is not what was counted")
        for sample in intake.samples:
            json.loads(sample.record)
            if "\x00" in sample.record + sample.record_id + sample.version:
                raise AssertionError("a sample that Postgres would refuse")
        self.seen["counted"] += intake.counted - intake.ignored
        self.seen["ignored"] += intake.ignored
        for skipped in intake.skipped:
            self.seen[skipped.reason] += skipped.count

    def forget(self) -> None:
        """After a failure nothing of the batch is left."""
        self._fed = PARTITIONS_LAST
