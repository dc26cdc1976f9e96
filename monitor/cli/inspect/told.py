"""A study as one JSON object, for programs."""

from typing import Any

from monitor.cli.found import iso
from monitor.cli.inspect.concerns import Concern
from monitor.cli.inspect.fields import Row, rows
from monitor.cli.inspect.study import QUANTILES, Seen, Study
from monitor.cli.inspect.wants import lacking


def as_object(study: Study, concerns: list[Concern]) -> dict[str, Any]:
    """Everything that the tables have, and what they leave out for want of room."""
    taken, outcome = study.taken, study.outcome
    return {
        "name": taken.name,
        "messages": len(taken.values),
        "whole": taken.whole,
        "records": outcome.n,
        "predictions": study.predictions,
        "ignored": outcome.ignored,
        "refused": dict(outcome.refused) | ({"too_large": taken.too_large} if taken.too_large else {}),
        "source": study.reading.source,
        "guessed": sorted(study.reading.guessed),
        "notes": dict(study.reading.notes),
        "formats": [
            {"format": f.reading.name, "score": round(f.score, 1), "records": f.read} for f in study.fits
        ],
        "times": _times(study),
        "streams": dict(study.models.most_common(100)),
        "fields": [_field(row) for row in rows(study)],
        "more_fields": study.places.more > 0,
        "signals": [_signal(seen) for seen in study.seen.values()],
        "not_seen": [{"without": want.fields, "unseen": want.unseen} for want in lacking(study)],
        "warnings": [{"kind": c.kind, "sentence": c.sentence} for c in concerns],
    }


def _times(study: Study) -> dict[str, Any] | None:
    known = study.ts_ms[study.ts_ms == study.ts_ms]
    if not known.size:
        return None
    return {"first": iso(int(known.min())), "last": iso(int(known.max())), "span_ms": int(study.span_ms)}


def _field(row: Row) -> dict[str, Any]:
    return {
        "field": row.place,
        "share": round(row.share, 4),
        "types": row.kinds,
        "example": row.example,
        "read_as": row.read_as,
        "signals": row.signals,
    }


def _signal(seen: Seen) -> dict[str, Any]:
    found: dict[str, Any] = {"signal": seen.signal.name, "kind": seen.signal.kind, "n": seen.n}
    if seen.quantiles:
        found["quantiles"] = {f"{q:g}": value for q, value in zip(QUANTILES, seen.quantiles, strict=True)}
    elif seen.shares:
        found |= {"shares": seen.shares, "distinct": seen.distinct}
    elif seen.signal.kind == "rate":
        found |= {"k": seen.k, "rate": seen.rate}
    return found
