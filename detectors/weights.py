"""The arithmetic of the budget: from a promised rate of false alarms to a threshold and injection weights.

One threshold A for all detectors of a budget. The weights injected by everything that is active in a pane
sum to at most 1, so the expected number of false alarms over T panes is at most T / A (`detectors.esr`). A
block of b panes injects b times as much, once.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from detectors.checks import positive
from detectors.errors import DetectorError

PANE_SECONDS = 10
KILL_THRESHOLD = 1e8
"""A of the evidence that can kill, in slots of one second, unless `false_alarms` says otherwise: one in 3.2 years."""

ROUNDING = 1e-9


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


def rule_shares(
    rates_per_pane: Mapping[str, float], uses: Sequence[Collection[str]]
) -> list[dict[str, float]]:
    """What each rule may inject for each severity it uses: all shares together sum to at most 1.

    `uses` names the severities of each rule. The share of a severity is spread evenly over the rules that use it, so
    that each severity spends its own promise in full, however few rules use it; one that no rule uses is not spent.
    Raises `DetectorError` for a severity that is not in the map.

    >>> shares = rule_shares({"warning": 3e-5, "critical": 1e-5}, [["warning"], ["warning", "critical"]])
    >>> [{name: round(share, 3) for name, share in rule.items()} for rule in shares]
    [{'warning': 0.375}, {'warning': 0.375, 'critical': 0.25}]
    """
    users = Counter(severity for rule in uses for severity in rule)
    share = {severity: severity_share(rates_per_pane, severity) / n for severity, n in users.items()}
    return [{severity: share[severity] for severity in rule} for rule in uses]


def expected_alarms(share: float, threshold: float, blocks: float) -> float:
    """The false alarms to expect at most in `blocks` panes (or slots) from what injects `share` of all weights.

    Raises `DetectorError` for a share outside [0, 1] and a threshold or a number of blocks that is not above 0.

    >>> round(expected_alarms(0.5, 259_200, 30 * 8_640), 3)
    0.5
    """
    _share("share", share)
    return share * positive("blocks", blocks) / positive("threshold", threshold)


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
        _share(name, share)
    if active_streams < 1:
        raise DetectorError(f"active_streams = {active_streams}: must be at least 1")
    panes = positive("block_seconds", block_seconds) / PANE_SECONDS
    return rule_weight / active_streams * tier_share * edge_share * panes


def _share(name: str, share: float) -> None:
    if not 0 <= share <= 1 + ROUNDING:
        raise DetectorError(f"{name} = {share}: a share must be between 0 and 1")


def _total(rates_per_pane: Mapping[str, float]) -> float:
    if not rates_per_pane:
        raise DetectorError("rates_per_pane is empty: a budget needs at least one rate")
    return sum(positive(f"rates_per_pane[{name!r}]", rate) for name, rate in rates_per_pane.items())
