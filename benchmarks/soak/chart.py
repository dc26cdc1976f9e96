"""The soak as a picture: memory, open files, lag and tables over the minutes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import vl_convert

from benchmarks.soak.account import KEPT_LONGER
from benchmarks.soak.sample import Sample

INK = "#1f4e79"


def draw(samples: Sequence[Sample], path: Path, subtitle: str) -> None:
    """Write a PNG."""
    panels = [
        _line(samples, "memory, MiB", lambda s: s.rss_mib),
        _line(samples, "open files", lambda s: s.files),
        _line(samples, "records not read yet", lambda s: s.lag),
        _tables(samples),
    ]
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {
            "text": "A replica of Tocsin over time",
            "subtitle": subtitle,
            "anchor": "start",
            "fontSize": 16,
        },
        "background": "white",
        "padding": 16,
        "vconcat": panels,
    }
    path.write_bytes(vl_convert.vegalite_to_png(spec, scale=2.0))


def _line(samples: Sequence[Sample], title: str, read: Any) -> dict[str, Any]:
    rows = [{"minute": s.at_s / 60, "value": read(s)} for s in samples]
    return {
        "width": 800,
        "height": 110,
        "data": {"values": rows},
        "mark": {"type": "line", "color": INK, "strokeWidth": 1.5},
        "encoding": {
            "x": {"field": "minute", "type": "quantitative", "title": None},
            "y": {"field": "value", "type": "quantitative", "title": title, "scale": {"zero": True}},
        },
    }


def _tables(samples: Sequence[Sample]) -> dict[str, Any]:
    rows = [
        {"minute": s.at_s / 60, "MB": size, "table": table}
        for s in samples
        for table, size in _grouped(s).items()
    ]
    return {
        "width": 800,
        "height": 150,
        "data": {"values": rows},
        "mark": {"type": "area"},
        "encoding": {
            "x": {"field": "minute", "type": "quantitative", "title": "minutes"},
            "y": {"field": "MB", "type": "quantitative", "title": "tables, MB", "stack": True},
            "color": {"field": "table", "type": "nominal", "scale": {"scheme": "tableau10"}},
        },
    }


def _grouped(sample: Sample) -> dict[str, float]:
    kept = {table: sample.tables_mb.get(table, 0.0) for table in KEPT_LONGER if table != "lag"}
    return {**kept, "others": sum(sample.tables_mb.values()) - sum(kept.values())}
