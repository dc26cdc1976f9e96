"""Hazards 9 and 10: liveness is per partition, and an idle topic is not dead."""

from monitor.ingest.watchdog import STUCK_S, Watchdog


def test_a_partition_that_stands_still_with_records_to_read_is_stuck() -> None:
    watchdog = Watchdog()
    assert not watchdog.stuck("p", 10, 20, 0.0)
    assert not watchdog.stuck("p", 10, 25, STUCK_S - 0.1)
    assert watchdog.stuck("p", 10, 30, STUCK_S)


def test_a_partition_that_moves_is_alive() -> None:
    watchdog = Watchdog()
    assert not any(watchdog.stuck("p", position, 10_000, 10.0 * position) for position in range(20))


def test_an_idle_partition_is_alive_and_gets_its_whole_time_once_there_is_something_to_read() -> None:
    watchdog = Watchdog()
    assert not any(watchdog.stuck("p", 10, 10, 10.0 * i) for i in range(20))
    assert not watchdog.stuck("p", 10, 11, 200.0)
    assert not watchdog.stuck("p", 10, 11, 190.0 + STUCK_S - 0.1)
    assert watchdog.stuck("p", 10, 11, 190.0 + STUCK_S)


def test_one_dead_partition_shows_beside_a_live_one() -> None:
    watchdog = Watchdog()
    found = [
        (watchdog.stuck("dead", 5, 100, t), watchdog.stuck("live", int(t), 100, t)) for t in (0.0, 20.0, 40.0)
    ]
    assert found == [(False, False), (False, False), (True, False)]


def test_a_partition_held_on_purpose_begins_anew() -> None:
    watchdog = Watchdog()
    watchdog.stuck("p", 10, 20, 0.0)
    watchdog.keep_only(())
    assert not watchdog.stuck("p", 10, 20, 2 * STUCK_S)
