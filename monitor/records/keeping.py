"""Looks through the batches of one partition for records to keep, from its first checkpoint to its last."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from monitor.records.allowance import Allowance
from monitor.records.choosing import Chooser, Scene
from monitor.records.delta import I64, Sample
from monitor.records.language import LanguageDetector
from monitor.records.names import Names
from monitor.records.samples import Found, SampleKeeper, as_record
from monitor.records.settings import MeasureSettings
from monitor.records.shown import Showing, Sought


@dataclass(frozen=True, slots=True)
class When:
    """Event time and offset of each record of a batch, int64[n], and the time `now_ms` of this machine."""

    event_ms: I64
    offsets: I64
    now_ms: int


class Keeping:
    """Which records of a partition are kept; streams that are sought are known by `names`."""

    def __init__(self, settings: MeasureSettings, names: Names, detector: LanguageDetector) -> None:
        self._settings = settings
        self._names = names
        self._detector = detector
        self._showing = Showing(settings, detector)
        self._allowance = Allowance()
        self._chooser = Chooser()
        self._sought: Sequence[Sought] = ()
        self._keeper = SampleKeeper(self._allowance, settings.samples)

    @property
    def weight(self) -> int:
        """Bytes held since the last `take`."""
        return self._keeper.weight

    def measure_by(self, settings: MeasureSettings) -> None:
        """Go on by other settings; what is kept already, from the next checkpoint on."""
        self._settings, self._showing = settings, Showing(settings, self._detector)

    def seek(self, sought: Sequence[Sought]) -> None:
        """Keep records that show this, from now on."""
        self._sought = sought

    def look(self, make: Callable[[Sequence[tuple[int, Sought]]], Scene], when: When) -> None:
        """Keep some records of a batch; `make` makes its scene of what is sought, by local stream code."""
        codes = ((self._names.known_stream(one.stream), one) for one in self._sought)
        scene = make([(code, one) for code, one in codes if code is not None])
        streams = scene.places.stream
        for offer in self._chooser.offers(scene, self._settings.samples, self._showing):
            for row in self._keeper.chosen(offer, streams, when.now_ms).tolist():
                self._keeper.keep(offer, self._found(scene, row, when), when.now_ms)

    def _found(self, scene: Scene, row: int, when: When) -> Found:
        columns = scene.batch.columns
        mapped = self._settings.format is not None
        return Found(
            stream=int(scene.places.stream[row]),
            at_ms=int(when.event_ms[row]),
            offset=int(when.offsets[row]),
            value=as_record(columns, row, self._settings.samples) if mapped else scene.message(row),
            shown=self._showing.all(scene.batch, scene.measured, row),
        )

    def take(self) -> tuple[Sample, ...]:
        """All records kept since the last `take`, cleaned."""
        samples = self._keeper.samples()
        self._keeper = SampleKeeper(self._allowance, self._settings.samples)
        return samples
