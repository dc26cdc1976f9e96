"""Whether the ledger has counted every record once, or skipped it with its reason; all of it by SQL."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fault_load import VERSION
from fault_truth import Pane, Truth
from sqlalchemy import Engine, text

from monitor.records.codec import decode


@dataclass(frozen=True, slots=True)
class Layer:
    """One way to count: what is missing from it, and what it has too much, in records; `told` are examples."""

    name: str
    lost: int
    twice: int
    told: tuple[str, ...] = ()


def layer(name: str, expected: Mapping[Any, int], got: Mapping[Any, int]) -> Layer:
    """Compare counts by key."""
    keys = sorted({key for key in expected.keys() | got.keys() if expected.get(key, 0) != got.get(key, 0)})
    gaps = {key: got.get(key, 0) - expected.get(key, 0) for key in keys}
    told = tuple(f"{key}: {expected.get(key, 0)} expected, {got.get(key, 0)} found" for key in keys[:5])
    return Layer(name, -sum(g for g in gaps.values() if g < 0), sum(g for g in gaps.values() if g > 0), told)


class Account:
    """The ledger's side of the account."""

    def __init__(self, engine: Engine, truth: Truth, acked: bytearray) -> None:
        self._engine = engine
        self._truth = truth
        self._acked = acked

    def layers(self) -> list[Layer]:
        """Everything that is to agree; each layer would show the same loss, so they do not add up."""
        truth = self._truth
        return [
            self._produced(),
            self._progress("next_offset", 0),
            self._progress("counted", 1),
            self._progress("skipped", 2),
            layer("reasons of skipped records", Counter(truth.skipped.items()), self._skipped()),
            layer("records by stream and pane", truth.panes(), self._panes()),
            layer("failures by stream and pane", truth.failed, self._rates("k")),
            layer("requests of the error rate by pane", truth.panes(), self._rates("n")),
            layer("records by stream and version", self._by_version(), self._versions()),
            layer("checkpoints by partition, stream and pane", truth.counted, self._checkpoints()),
            self._chain(),
        ]

    def _rows(self, query: str) -> list[Any]:
        with self._engine.begin() as conn:
            return list(conn.execute(text(query)))

    def _produced(self) -> Layer:
        """What Kafka said that it had taken has to be in the topic, or the account is worth nothing."""
        acked = Counter({number: n for number, n in enumerate(self._acked) if n})
        there = {number: min(n, acked[number]) for number, n in self._truth.copies.items()}
        return layer("records that Kafka took", acked, {number: n for number, n in there.items() if n})

    def _progress(self, column: str, at: int) -> Layer:
        found = {
            row.partition: row._mapping[column] or 0 for row in self._rows("SELECT * FROM tocsin.progress")
        }
        return layer(f"{column} by partition", {p: t[at] for p, t in self._truth.totals().items()}, found)

    def _skipped(self) -> Counter[tuple[tuple[int, int], str]]:
        rows = self._rows("SELECT partition, kafka_offset, reason FROM tocsin.skipped_records")
        return Counter(((row.partition, row.kafka_offset), row.reason) for row in rows)

    def _panes(self) -> dict[Pane, int]:
        query = "SELECT stream, (extract(epoch FROM pane_start) * 1000)::bigint, n FROM tocsin.panes"
        return {(stream, start): n for stream, start, n in self._rows(query)}

    def _rates(self, column: str) -> dict[Pane, int]:
        query = f"SELECT stream, (extract(epoch FROM pane_start) * 1000)::bigint, {column}"
        rows = self._rows(f"{query} FROM tocsin.rates WHERE signal = 'error'")
        return {(stream, start): n for stream, start, n in rows if n}

    def _by_version(self) -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for (stream, _), n in self._truth.panes().items():
            found[stream, VERSION] += n
        return found

    def _versions(self) -> dict[tuple[str, str], int]:
        """What a tick adds to rather than replaces: a checkpoint that is judged twice shows here."""
        rows = self._rows("SELECT stream, version, n FROM tocsin.versions")
        return {(stream, version): n for stream, version, n in rows}

    def _checkpoints(self) -> Counter[tuple[int, str, int]]:
        streams = dict(map(tuple, self._rows("SELECT stream_id, key FROM tocsin_ledger.stream")))
        found: Counter[tuple[int, str, int]] = Counter()
        query = "SELECT partition, deltas FROM tocsin_ledger.checkpoint WHERE deltas IS NOT NULL"
        for partition, blob in self._rows(query):
            cells = decode(bytes(blob)).cells
            whole = (cells.signal == 0) & (cells.slice == 0)
            columns = (cells.stream[whole], cells.pane[whole], cells.count[whole])
            for stream, pane, n in zip(*(c.tolist() for c in columns), strict=True):
                found[partition, streams[stream], pane * 10_000] += n
        return found

    def _chain(self) -> Layer:
        """Checkpoints follow one another without a gap (records lost) or an overlap (records twice)."""
        query = "SELECT partition, seq, from_offset, next_offset FROM tocsin_ledger.checkpoint ORDER BY 1, 2"
        lost, twice, told = 0, 0, []
        at: dict[int, tuple[int, int]] = {}
        for partition, seq, first, end in self._rows(query):
            last_seq, expected = at.get(partition, (0, 0))
            if (seq, first) != (last_seq + 1, expected) or end < first:
                told.append(
                    f"partition {partition}: seq {seq} is {first} to {end}, after seq {last_seq} up to {expected}"
                )
            lost, twice = (
                lost + max(first - expected, 0),
                twice + max(expected - first, 0) + max(first - end, 0),
            )
            at[partition] = (seq, end)
        return Layer("chain of checkpoints", lost, twice, tuple(told[:5]))
