"""The streams on which Tocsin and the peers are compared, and how Tocsin judges them; events come one by one."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.detection.worlds import Array, World, delays, false_alarms
from detectors.bounds import clopper_pearson_upper
from detectors.buckets import LOG, LOGIT
from detectors.categories import category_events
from detectors.tolerance import DEFAULTS, limit
from detectors.tube import tube_points, tube_stretch

WARM_UP: Final = 10_000
A_PANE: Final = 20
SWING_EVENTS: Final = 40_000
EVENTS_AN_ALARM: Final = 100_000
"""The false-alarm rate that everybody is tuned to: one in so many events."""
ALPHA: Final = 0.05 / 20
"""Of each bound of a reference: some twenty together."""
A: Final = EVENTS_AN_ALARM / A_PANE

Rng = np.random.Generator
Values = Callable[[Rng, int], Array]


@dataclass(frozen=True)
class Signal:
    """`usual` draws healthy values, each change other ones; `swing` draws those of a day that swings.

    `kind` is rate (0 and 1), number, share (0 to 1), or mix (a code from 1 for each category, the commonest first).
    """

    name: str
    kind: str
    usual: Values
    changes: tuple[tuple[str, Values], ...]
    swing: Values

    def null(self, rng: Rng, events: int, swings: bool = False) -> Array:
        """Warm-up, and then so many events of which none is news."""
        after = self.swing(rng, events) if swings else self.usual(rng, events)
        return np.concatenate([self.usual(rng, WARM_UP), after])

    def changed(self, rng: Rng, change: Values, events: int) -> Array:
        return np.concatenate([self.usual(rng, WARM_UP), change(rng, events)])


def _error(p: float) -> Values:
    return lambda rng, n: (rng.random(n) < p).astype(np.float64)


def _latency(factor: float, slow: float = 0.0) -> Values:
    """Milliseconds; a share `slow` of them takes twenty times as long."""
    return lambda rng, n: factor * rng.lognormal(5, 0.8, n) * np.where(rng.random(n) < slow, 20.0, 1.0)


def _confidence(less: float) -> Values:
    return lambda rng, n: np.clip(rng.beta(8, 2, n) - less, 0.0, 1.0)


def _mix(*shares: float) -> Values:
    codes = np.arange(1.0, len(shares) + 1)
    return lambda rng, n: rng.choice(codes, n, p=shares)


def _swinging_mix(rng: Rng, n: int) -> Array:
    """Rare languages are a fifth more common by day, and less by night."""
    u, by_day = rng.random(n), 1 + 0.2 * _wave(n)
    return 1.0 + (u < 0.3 * by_day) + (u < 0.1 * by_day)


def _wave(n: int) -> Array:
    return np.sin(2 * np.pi * np.arange(n) / SWING_EVENTS)


SIGNALS: Final = (
    Signal(
        "error",
        "rate",
        _error(0.01),
        (("1% -> 3%", _error(0.03)), ("1% -> 10%", _error(0.10))),
        lambda rng, n: (rng.random(n) < 0.01 * (1 + 0.5 * _wave(n))).astype(np.float64),
    ),
    Signal(
        "length, latency",
        "number",
        _latency(1.0),
        (("all x2", _latency(2.0)), ("all /2", _latency(0.5)), ("4% x20", _latency(1.0, 0.04))),
        lambda rng, n: rng.lognormal(5, 0.8, n) * (1 + 0.25 * _wave(n)),
    ),
    Signal(
        "confidence",
        "share",
        _confidence(0.0),
        (("-.15", _confidence(0.15)), ("-.30", _confidence(0.30))),
        lambda rng, n: np.clip(rng.beta(8, 2, n) + 0.03 * _wave(n), 0.0, 1.0),
    ),
    Signal(
        "language",
        "mix",
        _mix(0.7, 0.2, 0.1),
        (("10% -> 25%", _mix(0.57, 0.18, 0.25)), ("10% -> 40%", _mix(0.4, 0.2, 0.4))),
        _swinging_mix,
    ),
)


def tocsin_alarms(signal: Signal, stream: Array) -> int:
    """False alarms after the warm-up, from which the reference is learned."""
    return false_alarms(_world(signal, stream), A).alarms


def tocsin_delay(signal: Signal, stream: Array) -> float:
    """Events from the change to the alarm; NaN if there is none."""
    try:
        return float(delays(_world(signal, stream), A)[0]) * A_PANE
    except RuntimeError:
        return float("nan")


def _world(signal: Signal, stream: Array) -> World:
    """One stream with the shipped tolerances, in panes of 20 events."""
    reference, rest = stream[:WARM_UP], stream[WARM_UP:]
    if signal.kind == "rate":
        upper = clopper_pearson_upper(reference.sum(), WARM_UP, 0.05)
        return _of_panes(rest[:, None], np.array([limit(upper, DEFAULTS["rate"])]), np.ones(1))
    if signal.kind == "mix":
        events = category_events(*np.unique(reference.astype(np.int64), return_counts=True), alpha=ALPHA)
        return _of_panes((rest[:, None] == events.category) ^ events.negate, events.m, events.share)
    scale = LOGIT if signal.kind == "share" else LOG
    bucket, count = np.unique(scale.bucket(reference), return_counts=True)
    if signal.kind == "share":
        tube = tube_points(bucket, count, DEFAULTS["confidence"].amount, alpha=ALPHA)
    else:
        tube = tube_stretch(bucket, count, DEFAULTS["distribution"].amount, scale, alpha=ALPHA)
    seen = scale.bucket(rest)[:, None]
    return _of_panes((seen >= tube.low) & (seen <= tube.high), tube.m, tube.share)


def _of_panes(events: Array, m: Array, share: Array) -> World:
    panes = len(events) // A_PANE
    k = events[: panes * A_PANE].reshape(panes, A_PANE, -1).sum(axis=1)
    size = np.full((1, m.size), A_PANE)
    return World(m[None, :], share, ((k[[t]], size) for t in range(panes)))


def scaled(stream: Array, warm_up: int = WARM_UP) -> Array:
    """Spreads from the mean of the warm-up: so that one setting of a peer fits milliseconds, tokens and shares."""
    first = stream[:warm_up]
    return np.asarray((stream - first.mean()) / max(float(first.std()), 1e-9))


def summary(found: Sequence[float]) -> str:
    """Median of what was found and how many were missed."""
    known = [x for x in found if not np.isnan(x)]
    missed = len(found) - len(known)
    middle = f"{np.median(known):,.0f}" if known else "-"
    return f"{middle} ({missed} of {len(found)} missed)" if missed else middle
