"""What ingest says of itself."""

from monitor.ingest.status import Dependency, PartitionStatus, StatusBoard, merged
from monitor.records.delta import Delta, Intake, SkippedRange


def test_ready_needs_kafka_postgres_and_a_running_loop() -> None:
    board = StatusBoard()
    assert not board.read().ready
    board.kafka(None)
    board.postgres(None)
    assert not board.read().ready
    board.write(running=True)
    assert board.read().ready
    board.postgres("Postgres at db:5432/tocsin cannot be used: timeout expired")
    assert not board.read().ready
    assert board.read().postgres == Dependency(
        False, "Postgres at db:5432/tocsin cannot be used: timeout expired"
    )


def test_records_are_counted_by_topic_and_by_what_became_of_them() -> None:
    board = StatusBoard()
    skipped = (SkippedRange(3, 4, 2, "not_json", "", 0), SkippedRange(6, 6, 1, "no_model", "", 0))
    board.count("t", Intake(0, 10, 7, None, None, Delta(), skipped))
    board.count("t", Intake(10, 11, 1, None, None, Delta()))
    assert board.read().records == {("t", "counted"): 8, ("t", "not_json"): 2, ("t", "no_model"): 1}


def test_lag_is_what_is_not_stored_yet_and_unknown_without_an_end() -> None:
    def lag(next_offset: int, end: int | None) -> int | None:
        return PartitionStatus("t", 0, next_offset, end, 0, 0, False, None).lag

    assert (lag(40, 100), lag(100, 90), lag(40, None)) == (60, 0, None)


def test_of_several_consumers_all_must_be_ready_and_each_that_is_not_says_why() -> None:
    first, second = StatusBoard(), StatusBoard()
    for board in (first, second):
        board.kafka(None)
        board.postgres(None)
        board.write(running=True, held_bytes=10)
    first.count("a", Intake(0, 10, 10, None, None, Delta()))
    second.count("b", Intake(0, 3, 3, None, None, Delta()))
    both = merged([first.read(), second.read()])
    assert both.ready
    assert both.records == {("a", "counted"): 10, ("b", "counted"): 3}
    assert both.held_bytes == 20
    second.kafka("Kafka at us:9092 does not answer")
    away = merged([first.read(), second.read()])
    assert (away.ready, away.kafka.why) == (False, "Kafka at us:9092 does not answer")
