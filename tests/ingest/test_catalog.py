"""When a topic counts as missing: asked about often enough, by a process that was awake."""

from types import SimpleNamespace
from typing import Any

import pytest

from monitor.errors import KafkaUnavailable
from monitor.ingest.catalog import LOOK_S, MISSING_S, Catalog


class EmptyBroker:
    """What a reader says whose broker knows no topic."""

    def listings(self) -> list[Any]:
        return []

    def refresh_metadata(self) -> None:
        pass

    def check_topics_allowed(self) -> None:
        pass

    def metadata_age_s(self) -> float:
        return 0.0


@pytest.fixture
def catalog() -> Catalog:
    source: Any = SimpleNamespace(topics=["predictions"], bootstrap_servers="kafka:9092")
    nothing: Any = None
    reader: Any = EmptyBroker()
    return Catalog(reader, nothing, nothing, [source], lambda: 0, accept_new_topic=False)


def test_a_topic_that_stays_away_for_ten_seconds_of_looks_is_missing(catalog: Catalog) -> None:
    looks = int(MISSING_S / LOOK_S)
    for n in range(looks):
        catalog.step(n * LOOK_S)
    with pytest.raises(KafkaUnavailable, match="There is no topic predictions"):
        catalog.step(looks * LOOK_S)


def test_a_process_that_was_frozen_asks_again_before_it_says_that_a_topic_is_missing(
    catalog: Catalog,
) -> None:
    """It ended as it woke, though the topic was there: ten seconds had passed since it first asked."""
    catalog.step(0.0)
    catalog.step(60.0)
