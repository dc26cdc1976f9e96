"""Memory is bounded: reading stops over the limit and goes on below half of it."""

from monitor.ingest.pressure import Pressure


def test_reading_stops_over_the_limit_and_goes_on_only_below_half_of_it() -> None:
    pressure = Pressure(100)
    assert [pressure.update(weight) for weight in (50, 100, 101, 60, 51, 50, 100)] == [
        False,
        False,
        True,
        True,
        True,
        False,
        False,
    ]
