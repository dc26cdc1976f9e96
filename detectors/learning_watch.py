"""Two classic detectors on the means of panes, for streams that are still learning: no guarantee.

While there is no reference there is no limit m and so no promise to keep. These watch instead whether a stream still
is as it was when it began: river's Page-Hinkley (a CUSUM around the running mean) and ADWIN (a window that is cut
where its halves differ). Their false alarms are counted outside the budget, and every alarm must say so.

The first `WARM_UP` means fix a centre and a spread; all others are judged in spreads from the centre, so that rates,
milliseconds and dollars need no settings of their own. ADWIN assumes values between 0 and 1 and gets +-`REACH`
spreads mapped to them. The state is the list of means since the last change, at most `MOST` (an eighth of a day of
panes is dropped at a time): small, readable and independent of river's inside. Detectors are rebuilt from it when
needed, as after a restart.

Sources: Page (Biometrika 1954); Bifet and Gavaldà, "Learning from time-changing data with adaptive windowing" (SDM
2007); river `drift.PageHinkley`, `drift.ADWIN`.
"""

from dataclasses import dataclass, field
from importlib import import_module
from statistics import fmean, pstdev
from typing import Any

from detectors.checks import finite

GUARANTEED = False
"""What an alarm of these detectors must say of itself."""

WARM_UP = 30
MOST = 2_160
REACH = 4.0
LEAST_SPREAD = 1e-9
"""Spread relative to the centre below which all values count as equal."""

DELTA_SPREADS, THRESHOLD_SPREADS = 0.25, 20.0
"""Page-Hinkley: a shift of half a spread is worth noticing; by chance about once in ten days of panes."""
CONFIDENCE = 0.002
"""ADWIN's delta: river's default, though every pane is checked and not every 32nd."""


@dataclass(slots=True)
class _Running:
    """River's detectors after the first `fed` of a state's means."""

    page_hinkley: Any
    adwin: Any
    centre: float
    spread: float
    fed: int


@dataclass(frozen=True, slots=True)
class LearningWatch:
    """What a stream's watch has seen: the `means` of its panes since it began or last changed, oldest first.

    `changed` names the detectors that found a change with the last mean. To store it, keep `means`; to load it,
    `LearningWatch(means)`.
    """

    means: tuple[float, ...] = ()
    changed: tuple[str, ...] = ()
    _running: _Running | None = field(default=None, compare=False, repr=False)


def update(watch: LearningWatch, mean: float, least_spread: float = 0.0) -> LearningWatch:
    """The watch after the mean of one pane that holds requests (leave empty panes out).

    `least_spread` is what chance alone makes of such means, where the first ones may show less: a rare event that did
    not happen yet. After a change the watch begins afresh. About 5 us; after a restart once 1 to 5 ms to feed what was
    stored. Raises `DetectorError` for a NaN or an infinity.

    >>> watch = LearningWatch()
    >>> for pane in range(80):
    ...     watch = update(watch, 200.0 + pane % 3 if pane < 60 else 400.0)
    ...     if watch.changed:
    ...         print(pane, watch.changed)
    65 ('Page-Hinkley',)
    """
    value = float(finite("mean", mean))
    means = (*watch.means, value)
    if len(means) > MOST:
        return LearningWatch(means[-(MOST - MOST // 2) :])
    if len(means) <= WARM_UP:
        return LearningWatch(means)
    running = watch._running
    if running is None or running.fed != len(watch.means):
        running = _rebuilt(watch.means, least_spread)
    changed = _feed(running, value)
    return LearningWatch((), changed) if changed else LearningWatch(means, (), running)


def load() -> None:
    """Import river now: it takes a second or more, which a process may want to spend at its start.

    >>> load()
    """
    import_module("river.drift")


def _rebuilt(means: tuple[float, ...], least_spread: float) -> _Running:
    # River takes a second to import: only streams that learn need it.
    from river import drift as river

    drift: Any = river
    first = means[:WARM_UP]
    centre = fmean(first)
    spread = max(pstdev(first), least_spread, LEAST_SPREAD * abs(centre), LEAST_SPREAD)
    page_hinkley = drift.PageHinkley(
        min_instances=1, delta=DELTA_SPREADS, threshold=THRESHOLD_SPREADS, alpha=1.0
    )
    running = _Running(page_hinkley, drift.ADWIN(delta=CONFIDENCE, clock=1), centre, spread, 0)
    for mean in means:
        _feed(running, mean)
    return running


def _feed(running: _Running, mean: float) -> tuple[str, ...]:
    """Give both detectors one mean; the names of those that see a change."""
    away = min(max((mean - running.centre) / running.spread, -REACH), REACH)
    running.page_hinkley.update(away)
    running.adwin.update(0.5 + away / (2 * REACH))
    running.fed += 1
    found = {"Page-Hinkley": running.page_hinkley, "ADWIN": running.adwin}
    return tuple(name for name, detector in found.items() if detector.drift_detected)
