"""Mapped messages of every preset, damaged: each is counted, ignored or skipped, and can be stored."""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

from decoder import CLOCK_MS, SETTINGS, DecoderTarget

from monitor.cli.enveloped import unpacked
from monitor.config.mapping import preset
from monitor.config.presets import PRESETS
from monitor.records.aggregate import RawBatch

FIXTURES = Path(__file__).parents[1] / "records" / "formats"


class PresetTarget(DecoderTarget):
    """Messages of one preset, with headers that fit and others."""

    def __init__(self, rng: Random, of: str) -> None:
        values, self._headers = unpacked((FIXTURES / f"{of}.jsonl").read_bytes().splitlines())
        seeds = [json.loads(value) for value in values]
        words = sorted({key for seed in seeds for key in keys(seed)} | {"unknown"})
        super().__init__(rng, replace(SETTINGS, format=preset(of)), seeds, words)

    def _batch(self, values: list[bytes | None]) -> RawBatch:
        keys = [self._rng.choice([None, b"k", b"\xff"]) for _ in values]
        headers = [list(self._rng.choice([*self._headers, ()])) for _ in values]
        offsets = range(self._fed, self._fed + len(values))
        return RawBatch(offsets, [CLOCK_MS] * len(values), values, keys, headers)


class MappedTarget:
    """One preset after the other."""

    def __init__(self, rng: Random, of: Sequence[str] = PRESETS) -> None:
        self._turns = cycle([(name, PresetTarget(rng, name)) for name in of])
        self._of, self._now = next(self._turns)
        self.seen: Counter[str] = Counter()

    @property
    def name(self) -> str:
        """With the preset whose turn it is: what harms one may be nothing to another."""
        return f"mapped-{self._of}"

    def inputs(self) -> list[bytes | None]:
        """A batch of the next preset's messages."""
        self._of, self._now = next(self._turns)
        return self._now.inputs()

    def feed(self, values: list[bytes | None]) -> None:
        """As the decoder's target does."""
        self._now.seen = self.seen
        self._now.feed(values)

    def forget(self) -> None:
        """Begin a partition anew."""
        self._now.forget()


def keys(value: Any) -> Iterator[str]:
    """All keys in a tree."""
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from keys(inner)
