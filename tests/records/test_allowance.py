"""How many samples may be kept: a burst, then a trickle, and so many bytes a day."""

import numpy as np
from record_building import CLOCK_MS, Partition, batch, value

from monitor.records.allowance import BYTES_A_DAY, BYTES_AT_ONCE, DAY_MS, OF_STREAM, Allowance
from monitor.records.settings import MeasureSettings, SampleSettings

MINUTE = 60_000


def taken(allowance: Allowance, at_ms: int, tries: int = 100, size: int = 100, stream: int = 1) -> int:
    return sum(allowance.take("error", stream, size, at_ms) for _ in range(tries))


def test_a_stream_keeps_twenty_failures_at_once_and_then_one_every_two_minutes():
    allowance = Allowance()
    assert taken(allowance, CLOCK_MS) == 20
    assert [taken(allowance, CLOCK_MS + m * MINUTE) for m in (1, 2, 3, 4, 10)] == [0, 1, 0, 1, 3]


def test_what_was_not_used_in_calm_times_is_there_again_and_no_more():
    allowance = Allowance()
    taken(allowance, CLOCK_MS)
    assert taken(allowance, CLOCK_MS + DAY_MS) == 20


def test_streams_and_reasons_do_not_use_up_each_others():
    allowance = Allowance()
    assert taken(allowance, CLOCK_MS) == taken(allowance, CLOCK_MS, stream=2) == 20
    assert allowance.left("share", 1, CLOCK_MS) == OF_STREAM["share"].at_once


def test_what_is_kept_in_calm_times_leaves_half_of_the_bytes_to_failures():
    allowance, size = Allowance(), BYTES_AT_ONCE // 100
    kept = [sum(allowance.take(why, s, size, CLOCK_MS) for s in range(99)) for why in ("share", "error")]
    assert kept == [50, 50]


def test_a_clock_that_goes_back_gives_nothing():
    allowance = Allowance()
    taken(allowance, CLOCK_MS)
    assert taken(allowance, CLOCK_MS - DAY_MS) == 0
    assert taken(allowance, CLOCK_MS + MINUTE) == 0


def test_a_day_of_failures_in_every_stream_stays_within_the_bytes_of_a_day():
    allowance, kept = Allowance(), 0
    for second in range(0, 86_400, 10):
        kept += sum(taken(allowance, CLOCK_MS + second * 1000, 1, 400, stream) for stream in range(200))
    assert 0.95 * BYTES_A_DAY <= kept * 400 <= BYTES_A_DAY + BYTES_AT_ONCE


def test_a_partition_that_fails_for_an_hour_keeps_the_beginning_and_a_trickle():
    partition, kept = Partition.make(MeasureSettings(samples=SampleSettings(first=0))), []
    for tick in range(7_200):
        partition.aggregator.add(batch([value(status="error")], tick), CLOCK_MS + tick * 500)
        kept += [s.offset for s in partition.aggregator.take().samples]
    assert kept[:20] == list(range(20))
    assert len(kept) == 20 + 29
    assert np.diff(kept[20:]).min() >= 230
