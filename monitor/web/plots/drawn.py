"""A plot in Vega-Lite: a signal over time, the band of its reference behind it, its limits across."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from monitor.records.signals import Kind, Signal
from monitor.web.plots.limits import Line
from monitor.web.plots.measures import Measures

SERIES: Final = ("#3b82c4", "#c2771f", "#8b5fbf", "#5a8f3d")
LIMIT, USUAL, QUIET, FAINT = "#d9534f", "#2e9e5b", "#8a919c", "#8a919c22"
OUT_OF_SIGHT: Final = 4.0
"""A limit this many times above all else is left out: it would press the rest flat."""


_LABELS: Final[Mapping[str, str]] = {
    "share": "format(datum.value, '~%')",
    "probability": "format(datum.value, '~r')",
    "ms": "datum.value < 1000 ? datum.value + ' ms' : format(datum.value / 1000, '~r') + ' s'",
    "USD": "'$' + format(datum.value, '~r')",
    "bytes": "format(datum.value, '~s') + 'B'",
}
"""The values of the axis, by unit."""


class Size(StrEnum):
    """How large a plot is: beside a line of text, or on its own."""

    SMALL = "small"
    LARGE = "large"


_AREA: Final = {Size.SMALL: (140, 34), Size.LARGE: (420, 130)}


@dataclass(frozen=True, slots=True)
class Plot:
    """What is to be drawn; `steps` by time in ISO 8601."""

    signal: Signal
    since: datetime
    until: datetime
    steps: Mapping[str, Measures]
    usual: Measures
    lines: tuple[Line, ...]


def described(plot: Plot, size: Size) -> dict[str, Any]:
    """The plot for the drawing library; its text has the colour of the page."""
    width, height = _AREA[size]
    large = size is Size.LARGE
    names = _series(plot)
    layers = [
        *_band(plot),
        *(_across(line, width, large) for line in _in_sight(plot)),
        *_lines(plot, names, large),
    ]
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": None,
        "padding": {"left": 2, "right": 58 if large else 2, "top": 6, "bottom": 2},
        "width": width,
        "height": height,
        "layer": layers,
        "encoding": {"x": _time(plot, large), "y": _values(plot, large)},
        "config": {
            "aria": False,
            "view": {"stroke": None, "fill": FAINT if not large else None},
            "legend": {"orient": "bottom", "title": None, "labelColor": "currentColor", "symbolType": "stroke",
                       "labelLimit": 160, "offset": 4},
            "axis": {"labelColor": "currentColor", "domainColor": QUIET, "tickColor": QUIET, "gridColor": QUIET,
                     "gridOpacity": 0.18, "labelFontSize": 11, "title": None},
        },
    }  # fmt: skip


def _series(plot: Plot) -> tuple[str, ...]:
    """The names of the lines; of categories the largest."""
    total: dict[str, float] = {}
    for measures in plot.steps.values():
        for name, value in measures.items():
            total[name] = total.get(name, 0) + value
    names = sorted(total, key=lambda name: -total[name]) if plot.signal.kind is Kind.CATEGORY else list(total)
    return tuple(names[: len(SERIES)])


def _lines(plot: Plot, names: Sequence[str], large: bool) -> list[dict[str, Any]]:
    """One row a step and series; a step in which nothing was counted breaks the line."""
    rows = [
        {
            "at": at,
            "series": name,
            "value": measures.get(name, 0 if plot.signal.kind is Kind.CATEGORY else None),
        }
        for at, measures in plot.steps.items()
        for name in names
    ]
    colour = {
        "field": "series",
        "type": "nominal",
        "scale": {"domain": list(names), "range": list(SERIES[: len(names)])},
        "sort": None,
        "legend": {} if large and len(names) > 1 else None,
    }
    mark = {
        "type": "line",
        "strokeWidth": 2 if large else 1.5,
        "point": {"size": 14} if len(plot.steps) < 4 else False,
    }
    values = {"x": {"field": "at", "type": "temporal"}, "y": {"field": "value", "type": "quantitative"}}
    return [{"data": {"values": rows}, "mark": mark, "encoding": {**values, "color": colour}}]


def _band(plot: Plot) -> list[dict[str, Any]]:
    """From the median to the 99th percentile of the reference, or a line at its rate."""
    if plot.signal.kind is Kind.DISTRIBUTION and {"p50", "p99"} <= plot.usual.keys():
        low, high = plot.usual["p50"], plot.usual["p99"]
    elif plot.signal.kind is Kind.RATE and "rate" in plot.usual:
        low = high = plot.usual["rate"]
    else:
        return []
    span = {"low": low, "high": high}
    ends = {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}
    filled = {
        "data": {"values": [span]},
        "mark": {"type": "rect", "color": USUAL, "opacity": 0.14},
        "encoding": ends,
    }
    edge = {
        "data": {"values": [{"edge": low}, {"edge": high}]},
        "mark": {"type": "rule", "color": USUAL, "opacity": 0.8, "strokeDash": [5, 3]},
        "encoding": {"y": {"field": "edge", "type": "quantitative"}},
    }
    return [filled, edge]


def _across(line: Line, width: int, large: bool) -> dict[str, Any]:
    layers: list[dict[str, Any]] = [{"mark": {"type": "rule", "color": LIMIT, "strokeDash": [2, 2]}}]
    if large:
        text = {"type": "text", "align": "left", "dx": 5, "x": width, "text": line.words, "color": LIMIT}
        layers.append({"mark": {**text, "fontSize": 11}})
    y = {"y": {"field": "limit", "type": "quantitative"}}
    return {"data": {"values": [{"limit": line.value}]}, "encoding": y, "layer": layers}


def _in_sight(plot: Plot) -> list[Line]:
    most = _most(plot)
    return [line for line in plot.lines if line.value <= OUT_OF_SIGHT * most]


def _most(plot: Plot) -> float:
    seen = [value for measures in plot.steps.values() for value in measures.values()]
    return max([*seen, *plot.usual.values()], default=0.0)


def _time(plot: Plot, large: bool) -> dict[str, Any]:
    domain = [plot.since.isoformat(), plot.until.isoformat()]
    axis = {"format": "%H:%M", "tickCount": 6, "labelOverlap": True, "grid": False}
    return {
        "scale": {"type": "utc", "domain": domain, "nice": False},
        "axis": axis if large else None,
        "type": "temporal",
    }


def _values(plot: Plot, large: bool) -> dict[str, Any]:
    share = plot.signal.kind in (Kind.RATE, Kind.CATEGORY)
    axis = {"labelExpr": _LABELS.get(plot.signal.unit, "format(datum.value, '~s')"), "tickCount": 4}
    if plot.signal.kind is Kind.CATEGORY:
        return {"scale": {"domain": [0, 1]}, "axis": axis if large else None, "type": "quantitative"}
    scale = {"zero": True, "nice": large} if _most(plot) > 0 else {"domain": [0, 0.01 if share else 1]}
    return {"scale": scale, "axis": axis if large else None, "type": "quantitative"}
