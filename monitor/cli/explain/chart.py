"""Evidence as a chart in a file: a page that holds all it needs, or a picture."""

import json
from datetime import UTC, datetime
from math import isfinite, log
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from monitor.cli.explain.evidence import Trace
from monitor.cli.explain.plots import levels, rates
from monitor.errors import UsageError
from monitor.ledger.wording import duration, percent

SUFFIXES: Final = (".html", ".png")
WIDTH: Final = 860
HEIGHT: Final = 240
SCALE: Final = 2.0
TIME_AXIS: Final = {"title": "UTC", "format": "%H:%M:%S", "tickCount": 8, "labelOverlap": True}
INK, LIMIT, USUAL, QUIET = "#1f4e79", "#c0392b", "#2e7d32", "#6b7280"
_LN10: Final = log(10)


def check(path: Path) -> None:
    """Raise UsageError where a chart cannot be written to `path`, before anything is computed."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"--plot {path}: a chart is written as .html or .png")
    if not path.absolute().parent.is_dir():
        raise UsageError(f"--plot {path}: there is no directory {path.absolute().parent}")
    _library()


def write(path: Path, trace: Trace, title: str, subtitle: str) -> None:
    """Write the chart of an incident's evidence; nothing in it is fetched from elsewhere when it is opened."""
    library = _library()
    if path.suffix.lower() == ".html":
        path.write_text(_page(library, trace, title, subtitle), "utf-8")
    else:
        path.write_bytes(library.vegalite_to_png(described(trace, title, subtitle), scale=SCALE))


def _page(library: Any, trace: Trace, *texts: str) -> str:
    """The page; vl-convert writes the chart into a script as it is, so texts that could end that come in afterwards."""
    places = [uuid4().hex for _ in texts]
    page: str = library.vegalite_to_html(described(trace, *places), bundle=True, renderer="svg")
    for place, text in zip(places, texts, strict=True):
        page = page.replace(place, json.dumps(text)[1:-1].replace("<", "\\u003c"))
    return page


def _library() -> Any:
    try:
        import vl_convert
    except ImportError as missing:
        raise UsageError("--plot needs the extra `plot`: pip install 'tocsin[plot]'") from missing
    return vl_convert


def described(trace: Trace, title: str, subtitle: str) -> dict[str, Any]:
    """The chart in Vega-Lite: evidence above, the share of each block below, on one axis of time."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {
            "text": title,
            "subtitle": subtitle,
            "anchor": "start",
            "fontSize": 16,
            "subtitleFontSize": 12,
        },
        "background": "white",
        "padding": 16,
        "config": {
            "view": {"stroke": None},
            "axis": {"labelFontSize": 11, "titleFontSize": 12, "grid": False},
        },
        "vconcat": [_evidence(trace), _shares(trace)],
        "resolve": {"scale": {"x": "shared"}},
    }


def _evidence(trace: Trace) -> dict[str, Any]:
    threshold = trace.log_a / _LN10
    rows = [{"at": _iso(x), "y": y} for x, y in levels(trace)]
    name = f"Evidence after each block of {duration(1000 * trace.block_s)} (log10 M)"
    return _panel(
        name,
        trace,
        [
            _line(rows, name, ".1f", INK),
            _rule(threshold, LIMIT, f"alarm at log10 A = {threshold:.1f}"),
        ],
    )


def _shares(trace: Trace) -> dict[str, Any]:
    rows = [{"at": _iso(x), "y": y} for x, y in rates(trace)]
    name = "Share of each block (k of n)"
    layers = [_line(rows, name, ".2%", INK), _rule(trace.m, LIMIT, f"limit m = {percent(trace.m)}")]
    if isfinite(trace.p_ref):
        layers.append(_rule(trace.p_ref, USUAL, f"usually {percent(trace.p_ref)}", below=True))
    return _panel(name, trace, [*layers, *_certified(trace)], form="%")


def _panel(name: str, trace: Trace, layers: list[dict[str, Any]], form: str | None = None) -> dict[str, Any]:
    onset = _mark(trace.onset_ms, "onset", align="right")
    detected = _mark(trace.detected_ms, "detected", align="left")
    axis = {"format": form} if form else {}
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "layer": [*layers, onset, detected],
        "encoding": {"y": {"axis": {"title": name, **axis}}},
    }


def _line(rows: list[dict[str, Any]], name: str, form: str, colour: str) -> dict[str, Any]:
    return {
        "data": {"values": rows},
        "mark": {"type": "line", "color": colour, "point": {"size": 14, "color": colour}, "strokeWidth": 1.5},
        "encoding": {
            "x": {"field": "at", "type": "temporal", "scale": {"type": "utc"}, "axis": TIME_AXIS},
            "y": {"field": "y", "type": "quantitative"},
            "tooltip": [
                {"field": "at", "type": "temporal", "format": "%H:%M:%S", "title": "until (UTC)"},
                {"field": "y", "type": "quantitative", "format": form, "title": name},
            ],
        },
    }


def _rule(y: float, colour: str, label: str, *, below: bool = False) -> dict[str, Any]:
    away: dict[str, Any] = {"baseline": "top", "dy": 3} if below else {"baseline": "bottom", "dy": -3}
    return {
        "data": {"values": [{"y": y}]},
        "encoding": {"y": {"field": "y", "type": "quantitative"}},
        "layer": [
            {"mark": {"type": "rule", "color": colour, "strokeDash": [6, 4]}},
            {
                "mark": {
                    "type": "text",
                    "align": "left",
                    "dx": 4,
                    "text": label,
                    "color": colour,
                    "x": WIDTH,
                    **away,
                }
            },
        ],
    }


def _mark(at_ms: int, label: str, align: str) -> dict[str, Any]:
    dx = -4 if align == "right" else 4
    text = {
        "type": "text",
        "align": align,
        "baseline": "top",
        "dx": dx,
        "text": label,
        "color": QUIET,
        "y": 2,
    }
    return {
        "data": {"values": [{"at": _iso(at_ms)}]},
        "encoding": {"x": {"field": "at", "type": "temporal"}},
        "layer": [{"mark": {"type": "rule", "color": QUIET, "strokeDash": [2, 3]}}, {"mark": text}],
    }


def _certified(trace: Trace) -> list[dict[str, Any]]:
    """From each alarm on, the share that was certain to be exceeded."""
    last_ms = trace.blocks[-1].end_ms
    rows = [
        {
            "at": _iso(c.at_ms),
            "end": _iso(last_ms),
            "y": c.m,
            "what": f"certain from here: above {percent(c.m)} ({c.text})",
        }
        for c in trace.certified
        if c.at_ms < last_ms
    ]
    bar = {
        "data": {"values": rows},
        "mark": {"type": "rule", "color": LIMIT, "strokeWidth": 3, "opacity": 0.55},
        "encoding": {
            "x": {"field": "at", "type": "temporal"},
            "x2": {"field": "end"},
            "y": {"field": "y", "type": "quantitative"},
            "tooltip": [{"field": "what", "title": "certified"}],
        },
    }
    return [bar] if rows else []


def _iso(ms: float) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat()
