"""Other settings while a partition is read: what counts from then on, and what stays as it was."""

from record_building import CLOCK_MS, Partition, batch, value

from monitor.records.delta import EVENT_CLOCK
from monitor.records.settings import MeasureSettings
from monitor.records.signals import BY_NAME

ERROR = BY_NAME["error"].code
MISSING = "missing.features"
ASKING = MeasureSettings(asked=frozenset({BY_NAME[MISSING].code}), window_signals=frozenset({ERROR}))


def test_a_signal_that_a_new_rule_reads_counts_from_then_on() -> None:
    partition = Partition.make()
    partition.aggregator.add(batch([value()] * 3), CLOCK_MS)
    assert MISSING not in partition.counted().signals()
    partition.aggregator.measure_by(ASKING)
    partition.aggregator.add(batch([value()] * 2, first=3), CLOCK_MS)
    counted = partition.counted()
    assert counted.rate(MISSING) == (2, 2)
    slots = counted.intake.delta.slots
    assert set(zip(slots.signal.tolist(), slots.clock.tolist(), strict=True)) == {(ERROR, EVENT_CLOCK)}


def test_no_record_is_lost_or_counted_twice_where_settings_change_between_checkpoints() -> None:
    partition = Partition.make()
    partition.aggregator.add(batch([value()] * 3), CLOCK_MS)
    partition.aggregator.measure_by(ASKING)
    partition.aggregator.add(batch([value()] * 2, first=3), CLOCK_MS)
    counted = partition.counted()
    assert (counted.intake.counted, counted.requests()) == (5, 5)


def test_inputs_seen_before_are_still_known() -> None:
    inconsistent = frozenset({BY_NAME["inconsistent"].code})
    partition = Partition.make(MeasureSettings(asked=inconsistent))
    partition.aggregator.add(batch([value(input="a", output="one")]), CLOCK_MS)
    partition.counted()
    partition.aggregator.measure_by(MeasureSettings(asked=inconsistent, window_signals=frozenset({ERROR})))
    partition.aggregator.add(batch([value(input="a", output="two")], first=1), CLOCK_MS)
    assert partition.counted().rate("inconsistent") == (1, 1)
