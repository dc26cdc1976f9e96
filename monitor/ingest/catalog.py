"""The ledger's list of partitions, at most 10 s behind the broker's (rules 3 and 11)."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog
from kafka.structs import TopicPartition
from sqlalchemy import Engine

from monitor.config.model import Source
from monitor.errors import KafkaUnavailable, TopicChanged
from monitor.ingest import progress
from monitor.ingest.progress import Key
from monitor.ingest.reader import Reader, TopicListing
from monitor.ingest.writer import Writer

log = structlog.get_logger(__name__)

LOOK_S: Final = 0.25
CONFIRM_S: Final = 10.0
MISSING_S: Final = 10.0


class Catalog:
    """Watches the topics' metadata, decides where new partitions start, and refuses a topic made anew.

    Runs on the reader's thread. `step` and the writer's answers raise KafkaUnavailable for a topic that is
    not there and TopicChanged for one that is another than the ledger's.
    """

    def __init__(
        self,
        reader: Reader,
        writer: Writer,
        engine: Engine,
        sources: Sequence[Source],
        clock: Callable[[], int],
        accept_new_topic: bool,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._engine = engine
        self._sources = {topic: source for source in sources for topic in source.topics}
        self._clock = clock
        self._accept_new_topic = accept_new_topic
        self._confirmed: dict[str, TopicListing] = {}
        self._confirmed_at: dict[str, float] = {}
        self._asked: set[str] = set()
        self._missed: Counter[str] = Counter()
        self._looked_at = float("-inf")

    def topic_id(self, topic: str) -> str | None:
        """The topic's id once its partitions are in the ledger."""
        listing = self._confirmed.get(topic)
        return listing.topic_id if listing else None

    def step(self, now: float) -> None:
        """Compare the metadata with the ledger, if it is time; `now` is monotonic seconds."""
        if now - self._looked_at < LOOK_S:
            return
        self._looked_at = now
        listings = {listing.topic: listing for listing in self._reader.listings()}
        self._check_missing(listings)
        for listing in listings.values():
            self._check_same(listing)
        for listing in listings.values():
            if self._is_due(listing, now):
                self._asked.add(listing.topic)
                self._writer.submit(
                    partial(progress.known, self._engine, listing.topic), partial(self._compare, listing, now)
                )

    def _is_due(self, listing: TopicListing, now: float) -> bool:
        if listing.topic in self._asked:
            return False
        if listing != self._confirmed.get(listing.topic):
            return True
        return now - self._confirmed_at[listing.topic] >= CONFIRM_S

    def _check_missing(self, listings: Collection[str]) -> None:
        """Looks count, not seconds: a process that was frozen has asked once, and may hold an answer from before."""
        for topic in self._sources:
            if topic in listings:
                self._missed.pop(topic, None)
                continue
            self._missed[topic] += 1
            self._reader.refresh_metadata()
            self._reader.check_topics_allowed()
            if self._missed[topic] * LOOK_S > MISSING_S and self._reader.metadata_age_s() < MISSING_S:
                raise self._missing(topic)

    def _missing(self, topic: str) -> Exception:
        if topic in self._confirmed:
            return TopicChanged(f"Topic {topic} was deleted while it was being read.")
        return KafkaUnavailable(
            f"There is no topic {topic} at {self._sources[topic].bootstrap_servers} that this user may describe: "
            "create it (Tocsin never does) or correct source.topic."
        )

    def _check_same(self, listing: TopicListing) -> None:
        before = self._confirmed.get(listing.topic)
        if before is not None and before.topic_id != listing.topic_id:
            raise self._made_anew(listing, before.topic_id)

    def _made_anew(self, listing: TopicListing, *ids: str) -> TopicChanged:
        return TopicChanged(
            f"Topic {listing.topic} was made anew (its id is {listing.topic_id}, the ledger has "
            f"{', '.join(sorted(ids))}): start with --accept-new-topic to read it from its beginning."
        )

    def _compare(
        self, listing: TopicListing, now: float, rows: Mapping[Key, int | None], error: Exception | None
    ) -> None:
        self._asked.discard(listing.topic)
        if error is not None:
            raise error
        ids = {topic_id for topic_id, _ in rows}
        if ids and listing.topic_id not in ids and not self._accept_new_topic:
            raise self._made_anew(listing, *ids)
        undecided = [p for p in listing.partitions if rows.get((listing.topic_id, p)) is None]
        if not undecided:
            self._confirm(listing, now)
            return
        fresh = all(offset is None for offset in rows.values())
        starts = self._starts(listing.topic, undecided, fresh=fresh)
        if starts is not None:
            self._enlist(listing, {tp.partition: offset for tp, offset in starts.items()}, now)

    def _enlist(self, listing: TopicListing, starts: Mapping[int, int], now: float) -> None:
        def listed(_: Any, error: Exception | None) -> None:
            self._asked.discard(listing.topic)
            if error is not None:
                raise error
            log.info("partitions listed", topic=listing.topic, starts=dict(starts))
            self._confirm(listing, now)

        self._asked.add(listing.topic)
        work = partial(progress.enlist, self._engine, listing.topic, listing.topic_id, starts)
        self._writer.submit(work, listed)

    def _confirm(self, listing: TopicListing, now: float) -> None:
        self._confirmed[listing.topic] = listing
        self._confirmed_at[listing.topic] = now

    def _starts(
        self, topic: str, partitions: Iterable[int], *, fresh: bool
    ) -> Mapping[TopicPartition, int] | None:
        """Partitions added to a known topic start at their beginning, all others at `source.start`."""
        tps = [TopicPartition(topic, p) for p in partitions]
        start = self._sources[topic].start
        if not fresh or start == "earliest":
            bounds = self._reader.bounds(tps)
            return None if bounds is None else {tp: b.begin for tp, b in bounds.items()}
        if start == "latest":
            return self._reader.ends(tps)
        ms = int(start)
        return self._reader.offsets_at(tps, ms if ms >= 0 else self._clock() + ms)
