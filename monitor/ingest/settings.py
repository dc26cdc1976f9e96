"""From alerts.yaml to what measuring needs to know."""

from collections.abc import Set

from monitor.config.model import Config, Source
from monitor.config.naming import stands_for
from monitor.config.rule import Rule
from monitor.records.settings import MeasureSettings
from monitor.records.signals import MISSING

DEFAULT_FRESH_MS = 60_000
COVERED_BY = {
    "confidence": "confidence",
    "incorrect": "label",
    "confidently_wrong": "label",
    "abs_error": "label",
}
"""What a signal can only count where the field is there: the share without it is kept beside the signal."""


def measure_settings(config: Config, source: Source | None = None) -> MeasureSettings:
    """How records of `source`, or of the first, are measured.

    Only what some rule reads gets 1 s slots or an input language.
    """
    source = source or config.source
    rules = [rule for rule in config.rules if rule.enabled]
    windows = [rule for rule in rules if rule.window_ms is not None]
    kills = [rule for rule in rules if rule.kill is not None]
    read = {signal for rule in rules for signal in rule.signals}
    names = [name for rule in kills for name in stands_for(str(rule.kill), config.kill_switches)]
    fresh = [config.kill_switches[name].guard.fresh_ms for name in names]
    return MeasureSettings(
        by=config.streams.by,
        slices=config.streams.slices,
        max_streams=config.streams.max,
        lateness_ms=source.lateness_ms,
        max_record_bytes=source.max_record_bytes,
        bad_below=config.bad_below,
        window_signals=_codes(config, windows),
        kill_signals=_codes(config, kills),
        fresh_ms=min(fresh, default=DEFAULT_FRESH_MS),
        input_language="input_language" in read,
        asked=frozenset(config.signal(name).code for name in read | _coverage(read)),
        user_signals=config.signals,
        join_ms=config.labels.join_ms if config.labels else None,
        join_most=config.labels.most if config.labels else 0,
        format=source.format,
        labelled_elsewhere=any(s.type is not None for s in config.sources),
        samples=config.samples.settings,
    )


def _coverage(read: Set[str]) -> set[str]:
    return {f"{MISSING}{field}" for signal, field in COVERED_BY.items() if signal in read}


def _codes(config: Config, rules: list[Rule]) -> frozenset[int]:
    return frozenset(config.signal(name).code for rule in rules for name in rule.signals)
