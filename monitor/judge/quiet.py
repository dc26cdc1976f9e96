"""Whether anybody is to be told of an incident now: mutes of alerts.yaml and silences of people. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from monitor.config.hours import began
from monitor.config.rule import Mute
from monitor.ledger.silences import Silence


@dataclass(frozen=True, slots=True)
class Quiet:
    """What is in force at `now_ms`, the newest ingest clock."""

    mutes: tuple[Mute, ...]
    silences: tuple[Silence, ...]
    now_ms: int

    def reason(self, words: Mapping[str, str]) -> str | None:
        """Why nobody is told of an incident with these labels, rule, stream, signal and severity; None if they are."""
        return next(self._reasons(words), None)

    def _reasons(self, words: Mapping[str, str]) -> Iterator[str]:
        for silence in self.silences:
            if silence.match.accepts(words):
                why = f": {silence.reason}" if silence.reason else ""
                yield f"silence {silence.silence_id} by {silence.author}{why}"
        for mute in self.mutes:
            if mute.match.accepts(words) and began(mute.during, self.now_ms) is not None:
                yield f"mute {mute.name}"
