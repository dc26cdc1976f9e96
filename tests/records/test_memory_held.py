"""What an aggregator holds between checkpoints is known, and grows with distinct cells, not with records."""

import numpy as np
from record_building import CLOCK_MS, ENGLISH, Partition, batch, value


def test_an_empty_aggregator_weighs_nothing_and_a_take_empties_it() -> None:
    partition = Partition.make()
    assert partition.aggregator.weight == 0

    partition.aggregator.add(batch([value(output=ENGLISH), None]), CLOCK_MS)
    assert partition.aggregator.weight > len(value(output=ENGLISH))
    first = partition.aggregator.take()

    assert partition.aggregator.weight == 0
    second = partition.aggregator.take()
    assert (second.from_offset, second.next_offset, second.counted) == (2, 2, 0)
    assert second.delta.cells.count.size == second.skipped_count == len(second.samples) == 0
    assert (second.max_event_ms, second.max_kafka_ms) == (first.max_event_ms, first.max_kafka_ms)


def test_weight_grows_with_what_differs_and_not_with_records() -> None:
    rng = np.random.default_rng(3)
    partition = Partition.make()
    weights = []
    for k in range(12):
        values = [value(latency_ms=float(x), output_tokens=3) for x in rng.lognormal(6, 1, 5_000)]
        partition.aggregator.add(batch(values, 5_000 * k), CLOCK_MS)
        weights.append(partition.aggregator.weight)

    assert weights[-1] < 2_000_000
    assert partition.aggregator.take().counted == 60_000


def test_large_records_are_not_hoarded() -> None:
    partition = Partition.make()
    for k in range(40):
        partition.aggregator.add(batch([value(note="x" * 500_000)], k), CLOCK_MS)
        assert partition.aggregator.weight < 9 << 20


def test_poison_is_held_as_ranges() -> None:
    partition = Partition.make()
    partition.aggregator.add(batch([b"not JSON"] * 50_000), CLOCK_MS)
    assert partition.aggregator.weight < 1_000
