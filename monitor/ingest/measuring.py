"""What all partitions of a consumer share: settings, names, the language sample, the ledger's ids."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import Engine, event

from monitor.config.model import Config
from monitor.ingest.settings import measure_settings
from monitor.ledger import samples
from monitor.ledger.admission import Admission, named_in, translate
from monitor.ledger.places import LedgerIds
from monitor.records.aggregate import PartitionAggregator
from monitor.records.allowance import FIRST
from monitor.records.delta import Intake
from monitor.records.language import LanguageDetector
from monitor.records.names import Names
from monitor.records.predictions import Predictions, predictions_for
from monitor.records.sampling import LanguageSampler
from monitor.records.settings import MeasureSettings
from monitor.records.shown import Sought


class Measuring:
    """`aggregator` is for the reader's thread, `translate` for the writer's.

    `predictions`, which labels are joined to, may be shared with other consumers of the process.
    """

    def __init__(self, config: Config, engine: Engine, predictions: Predictions | None = None) -> None:
        self.dropped: Counter[str] = Counter()
        self.config = config
        self._fresh: Config | None = None
        self._engine = engine
        self._settings = _by_topic(config)
        self._names = Names(config.streams.by, config.streams.max)
        self._predictions = predictions or predictions_for(measure_settings(config))
        self._sampler = LanguageSampler(LanguageDetector())
        self._admission = self._new_admission()
        self._reconnected = False
        self._sought: tuple[Sought, ...] = ()
        event.listen(engine, "connect", self._note_connection)

    def reload(self, config: Config) -> None:
        """Measure by `config` soon; any thread may say so. Streams, lateness and labels are to be as before."""
        self._fresh = config

    def renewed(self) -> Mapping[str, MeasureSettings] | None:
        """The new settings by topic after a `reload`, once; for the reader's thread."""
        if self._fresh is None:
            return None
        self.config, self._fresh = self._fresh, None
        self._settings = _by_topic(self.config)
        # The next checkpoint admits by the new rules.
        self._reconnected = True
        return self._settings

    @property
    def sought(self) -> tuple[Sought, ...]:
        """What to look for now."""
        return self._sought

    def seek(self, sought: tuple[Sought, ...]) -> None:
        """Keep records that show this soon; any thread may say so."""
        self._sought = sought

    def aggregator(
        self, topic: str, partition: int, offset: int, max_event_ms: int | None
    ) -> PartitionAggregator:
        """An empty aggregator for a partition, from `offset` on."""
        made = PartitionAggregator(
            self._settings[topic],
            self._names,
            self._sampler,
            topic,
            partition,
            from_offset=offset,
            max_event_ms=max_event_ms,
            dropped=self.dropped,
            predictions=self._predictions,
        )
        made.seek(self._sought)
        return made

    def translate(self, intake: Intake) -> Intake:
        """The intake with the ledger's ids for this process's codes, admitting what is new."""
        if self._reconnected:
            # The ledger may be an older copy, in which the ids that we know are not given yet (rule 7).
            self._reconnected = False
            self._admission = self._new_admission()
        return self._without_known(translate(intake, self._names, self._admission))

    def _without_known(self, intake: Intake) -> Intake:
        """Less what seems to be the first of its version only because this process has just begun."""
        first = {(s.stream, s.version) for s in intake.samples if s.why == FIRST}
        if not first:
            return intake
        known = samples.known_versions(self._engine, first, self.config.samples.settings.first)
        kept = (s for s in intake.samples if s.why != FIRST or (s.stream, s.version) not in known)
        return replace(intake, samples=tuple(kept))

    def _new_admission(self) -> Admission:
        return Admission(
            LedgerIds(self._engine, retire_after_ms=self.config.streams.retire_after_ms),
            maximum=self.config.streams.max,
            always=named_in(rule.match for rule in self.config.rules),
        )

    def _note_connection(self, *_: Any) -> None:
        self._reconnected = True


def _by_topic(config: Config) -> dict[str, MeasureSettings]:
    return {topic: measure_settings(config, source) for topic, source in config.topics.items()}
