"""From counts to the few numbers that people look at, and those numbers in words."""

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from detectors.buckets import quantile
from monitor.ledger.wording import amount, digits, percent
from monitor.records.signals import UNKNOWN_CATEGORY, Kind, Signal
from monitor.web.plots.history import Buckets, History

Measures = Mapping[str, float]
"""By quantity: `rate`; `p50` and `p99`; a share for each category; `requests` a minute."""

MOST_SHARES: Final = 4
ENOUGH: Final = 100


def measured(signal: Signal, buckets: Buckets, seconds: float, names: Mapping[int, str]) -> Measures:
    """The quantities of what was counted in `seconds`; none where nothing was."""
    n = sum(buckets.values())
    if n == 0:
        return {}
    match signal.kind:
        case Kind.RATE:
            return {"rate": buckets.get(1, 0) / n}
        case Kind.CATEGORY:
            return _shares(buckets, names)
        case Kind.DISTRIBUTION:
            return _percentiles(signal, buckets)
        case _:
            return {"requests": 60 * n / seconds}


def over_time(history: History) -> dict[str, dict[str, float]]:
    """Each step's quantities, by its time in ISO 8601."""
    signal, seconds = history.wanted.signal, history.step.total_seconds()
    return {
        at.isoformat(): dict(measured(signal, buckets, seconds, history.names))
        for at, buckets in sorted(history.steps.items())
    }


def newest(history: History, lasts: timedelta) -> Measures:
    """The quantities of as many of the newest steps as hold `ENOUGH` records; of traffic, of all that `lasts` is."""
    signal, found = history.wanted.signal, Counter[int]()
    for _, buckets in sorted(history.steps.items(), reverse=True):
        found.update(buckets)
        if found.total() >= ENOUGH and signal.kind is not Kind.TRAFFIC:
            break
    return measured(signal, found, lasts.total_seconds(), history.names)


def usual(history: History) -> Measures:
    """The quantities of the reference; none for traffic, which has none."""
    signal = history.wanted.signal
    return {} if signal.kind is Kind.TRAFFIC else measured(signal, history.reference, 1, history.names)


def in_words(signal: Signal, found: Measures) -> str:
    """`31%`, `p50 1.7 s, p99 6.8 s`, `en 92%, de 6%`, `120 a minute`; `nothing` where nothing was counted."""
    if not found:
        return "nothing"
    match signal.kind:
        case Kind.RATE:
            return percent(found["rate"])
        case Kind.CATEGORY:
            largest = sorted(found.items(), key=lambda item: -item[1])[:MOST_SHARES]
            return ", ".join(f"{name} {percent(share)}" for name, share in largest)
        case Kind.DISTRIBUTION:
            return ", ".join(f"{name} {amount(value, signal.unit)}" for name, value in found.items())
        case _:
            return f"{digits(found['requests'])} a minute"


def _percentiles(signal: Signal, buckets: Buckets) -> Measures:
    if signal.scale is None:
        return {}
    index = sorted(buckets)
    counts = [buckets[b] for b in index]
    return {f"p{100 * q:g}": quantile(index, counts, q, signal.scale) for q in (0.5, 0.99)}


def _shares(buckets: Buckets, names: Mapping[int, str]) -> Measures:
    """Of the known ones, as rules count them."""
    known = {bucket: n for bucket, n in buckets.items() if bucket != UNKNOWN_CATEGORY} or dict(buckets)
    n = sum(known.values())
    return {names.get(bucket, f"#{bucket}"): count / n for bucket, count in known.items()}
