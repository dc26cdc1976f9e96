"""The arithmetic of the budget: from a promised rate of false alarms to a threshold and injection weights.

One threshold A for all detectors of a budget. The weights injected by everything that is active in a pane
sum to at most 1, so the expected number of false alarms over T panes is at most T / A (`detectors.esr`). A
block of b panes injects b times as much, once.
"""

from collections.abc import Mapping

from detectors.checks import positive
from detectors.errors import DetectorError

PANE_SECONDS = 10


def threshold(rates_per_pane: Mapping[str, float]) -> float:
    """A = 1 / (sum of the rates); `rates_per_pane`: promised false alarms per 10 s pane, by severity.

    Raises `DetectorError` for an empty map and for rates that are not finite and above 0.

    >>> round(threshold({"warning": 1 / 259_200}))
    259200
    >>> round(threshold({"warning": 1 / 60_480, "critical": 1 / 777_600}))
    56115
    """
    return 1.0 / _total(rates_per_pane)


def severity_share(rates_per_pane: Mapping[str, float], severity: str) -> float:
    """Share of all weights that `severity` may spend: its rate over the sum, so each keeps its own promise.

    Raises `DetectorError` for a severity that is not in the map.

    >>> round(severity_share({"warning": 1 / 60_480, "critical": 1 / 777_600}, "critical"), 4)
    0.0722
    """
    if severity not in rates_per_pane:
        raise DetectorError(
            f"severity {severity!r} has no false-alarm rate; there are {', '.join(rates_per_pane)}"
        )
    return rates_per_pane[severity] / _total(rates_per_pane)


def injection(
    rule_weight: float, active_streams: int, tier_share: float, edge_share: float, block_seconds: float
) -> float:
    """w of one rare event for one block: rule weight / active streams x tier x edge x block / 10 s.

    All weights of a budget must sum to at most 1 over (rule, tier, edge); `active_streams` counts the
    streams active at the last close, before the block (a new stream starts one pane later). Raises
    `DetectorError` for shares outside [0, 1], a block that is not above 0 and no active stream.

    >>> round(injection(0.5, 10, 1.0, 0.25, 60), 3)
    0.075
    """
    for name, share in (("rule_weight", rule_weight), ("tier_share", tier_share), ("edge_share", edge_share)):
        if not 0 <= share <= 1:
            raise DetectorError(f"{name} = {share}: a share must be between 0 and 1")
    if active_streams < 1:
        raise DetectorError(f"active_streams = {active_streams}: must be at least 1")
    panes = positive("block_seconds", block_seconds) / PANE_SECONDS
    return rule_weight / active_streams * tier_share * edge_share * panes


def _total(rates_per_pane: Mapping[str, float]) -> float:
    if not rates_per_pane:
        raise DetectorError("rates_per_pane is empty: a budget needs at least one rate")
    return sum(positive(f"rates_per_pane[{name!r}]", rate) for name, rate in rates_per_pane.items())
