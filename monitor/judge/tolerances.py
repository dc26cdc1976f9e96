"""From a LIMIT as it is written to the tolerance around a reference that it stands for."""

from dataclasses import replace
from typing import Literal

from detectors import tolerance
from detectors.tolerance import Tolerance
from monitor.config.rule import Limit, LimitKind
from monitor.records.signals import Signal

WatchKind = Literal["rate", "quantile", "tube", "category"]


def tolerance_of(
    limit: Limit, quantile: float | None, kind: WatchKind, signal: Signal, by_hour: bool = False
) -> Tolerance:
    """The tolerance that a relative LIMIT stands for; left out, the default of the kind (detection.md, section 6)."""
    if limit.kind is LimitKind.POINTS:
        return Tolerance("points", limit.value)
    default = _default(quantile, kind, signal, by_hour)
    if limit.kind is not LimitKind.TIMES:
        return default
    factor = limit.value if limit.value > 1 else 1 / limit.value
    stretches = kind in ("tube", "quantile")
    return Tolerance("stretch", factor) if stretches else replace(default, amount=factor)


def _default(quantile: float | None, kind: WatchKind, signal: Signal, by_hour: bool) -> Tolerance:
    if kind == "quantile":
        return tolerance.DEFAULTS["p99.9" if quantile is not None and quantile > 0.99 else "p99"]
    if kind == "tube" and signal.unit == "probability":
        return tolerance.DEFAULTS["confidence"]
    name = "distribution" if kind == "tube" else kind
    return tolerance.DEFAULTS.get(f"{name}_by_hour" if by_hour else name, tolerance.DEFAULTS[name])


def described(found: Tolerance) -> str:
    """A default as a user would have written it: `10pp`, `1.5x`."""
    return f"{found.amount * 100:g}pp" if found.form == "points" else f"{found.amount:g}x"
