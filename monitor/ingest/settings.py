"""From alerts.yaml to what measuring needs to know."""

from monitor.config.model import Config, Rule
from monitor.records.settings import MeasureSettings
from monitor.records.signals import BY_NAME

DEFAULT_FRESH_MS = 60_000


def measure_settings(config: Config) -> MeasureSettings:
    """How records are measured: only what some rule reads gets 1 s slots or an input language."""
    rules = [rule for rule in config.rules if rule.enabled]
    windows = [rule for rule in rules if rule.window_ms is not None]
    kills = [rule for rule in rules if rule.kill is not None]
    fresh = [config.kill_switches[rule.kill].guard.fresh_ms for rule in kills if rule.kill is not None]
    return MeasureSettings(
        by=config.streams.by,
        slices=config.streams.slices,
        max_streams=config.streams.max,
        lateness_ms=config.source.lateness_ms,
        max_record_bytes=config.source.max_record_bytes,
        bad_below=config.bad_below,
        window_signals=_codes(windows),
        kill_signals=_codes(kills),
        fresh_ms=min(fresh, default=DEFAULT_FRESH_MS),
        input_language=any("input_language" in rule.signals for rule in rules),
    )


def _codes(rules: list[Rule]) -> frozenset[int]:
    return frozenset(BY_NAME[signal].code for rule in rules for signal in rule.signals)
