"""The signal before, during and after, as an SVG that a page can hold."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from importlib.util import find_spec
from typing import Any, Final

from monitor.postmortem.queries import Answer

WIDTH: Final = 900
NARROW: Final = 260
"""For a phone."""
HEIGHT: Final = 260
SIGNAL, LIMIT, USUAL, MARK = "#3b82c4", "#d9534f", "#2e9e5b", "#8a919c"
TICK_PX: Final = 80

Mark = tuple[datetime, str]


def drawable(signal: Answer) -> bool:
    """Whether there is something to draw, and what draws it."""
    return len(signal.rows) > 1 and find_spec("vl_convert") is not None


def svg(spec: Mapping[str, Any]) -> str:
    """What `described` says, drawn; its text has the colour of the page."""
    import vl_convert

    drawn: str = vl_convert.vegalite_to_svg(dict(spec))
    return drawn


def described(
    signal: Answer, title: str, share: bool, marks: Sequence[Mark], width: int = WIDTH
) -> dict[str, Any]:
    """The chart in Vega-Lite: the signal by minute, reference and limit across it, a line at each mark."""
    first, last = signal.rows[0], signal.rows[-1]
    inside = [m for m in marks if first.minute <= m[0] <= last.minute]
    layers = [_line(signal, width)]
    if first.at_least is not None:
        layers.append(_across(first.at_least, LIMIT, "limit", width))
    if first.reference is not None:
        layers.append(_across(first.reference, USUAL, "reference", width, below=True))
    layers += [_at(at, label, row) for row, (at, label) in enumerate(sorted(inside))]
    axis: dict[str, Any] = {"title": title, **({"format": "~%"} if share else {})}
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "background": None,
        "padding": {"left": 4, "right": 72, "top": 4, "bottom": 4},
        "width": width,
        "height": HEIGHT,
        "layer": layers,
        "encoding": {"y": {"axis": axis}},
        "config": {
            "view": {"stroke": None},
            "axis": {
                "labelColor": "currentColor", "titleColor": "currentColor", "domainColor": MARK,
                "tickColor": MARK, "gridColor": MARK, "gridOpacity": 0.2, "labelFontSize": 12, "titleFontSize": 12,
            },
        },
    }  # fmt: skip


def _line(signal: Answer, width: int) -> dict[str, Any]:
    time_axis = {"title": "UTC", "format": "%H:%M", "tickCount": width // TICK_PX, "labelOverlap": True}
    rows = [{"at": row.minute.isoformat(), "value": row.value} for row in signal.rows]
    return {
        "data": {"values": rows},
        "mark": {"type": "line", "color": SIGNAL, "strokeWidth": 2, "point": {"size": 18, "color": SIGNAL}},
        "encoding": {
            "x": {"field": "at", "type": "temporal", "scale": {"type": "utc"}, "axis": time_axis},
            "y": {"field": "value", "type": "quantitative"},
        },
    }


def _across(value: float, colour: str, label: str, width: int, *, below: bool = False) -> dict[str, Any]:
    away = {"baseline": "top", "dy": 2} if below else {"baseline": "bottom", "dy": -2}
    text = {"type": "text", "align": "left", "dx": 6, "x": width, "text": label, "color": colour, **away}
    return {
        "data": {"values": [{"value": value}]},
        "encoding": {"y": {"field": "value", "type": "quantitative"}},
        "layer": [
            {"mark": {"type": "rule", "color": colour, "strokeDash": [6, 4], "strokeWidth": 1.5}},
            {"mark": {**text, "fontSize": 12}},
        ],
    }


def _at(at: datetime, label: str, row: int) -> dict[str, Any]:
    """A line through the chart, its label in a row of its own above, since marks come close together."""
    above = {"type": "text", "align": "left", "dx": 3, "y": -8 - 14 * row, "text": label, "color": MARK}
    return {
        "data": {"values": [{"at": at.isoformat()}]},
        "encoding": {"x": {"field": "at", "type": "temporal"}},
        "layer": [
            {"mark": {"type": "rule", "color": MARK, "strokeDash": [2, 3], "y": -4 - 14 * row, "y2": HEIGHT}},
            {"mark": {**above, "fontSize": 12}},
        ],
    }
