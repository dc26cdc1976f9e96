"""Whether a log keeps failures and successes at different rates, which would make every rate wrong."""

import re
from collections.abc import Sequence
from itertools import pairwise
from math import gcd
from typing import Final

import numpy as np

from monitor.cli.inspect.study import Study
from monitor.records.columns import Bools
from monitor.records.delta import F64

_LEAST: Final = 50
_LAST_DIGITS: Final = re.compile(r"\d{1,15}$", re.ASCII)
_MOST: Final = 20_000


def sampling(study: Study) -> str | None:
    """One sentence where statuses are sampled at different rates, or only some are logged."""
    rates = study.columns.number("sample_rate")
    if rates is not None and (said := _by_field(study, rates)):
        return said
    ok, failed = _ok(study), study.batch.error | study.batch.timeout
    if study.predictions >= _LEAST and not ok.any():
        return "every record is a failure: rates need the successes too, so log all statuses"
    return _by_numbers(study, ok, failed)


def _ok(study: Study) -> Bools:
    batch = study.batch
    return batch.prediction & ~(batch.error | batch.timeout | batch.rejected)


def _by_field(study: Study, rates: F64) -> str | None:
    groups = {"ok": _ok(study), "error": study.batch.error, "timeout": study.batch.timeout}
    of = {name: rates[rows & ~np.isnan(rates)] for name, rows in groups.items()}
    ranges = {name: (float(r.min()), float(r.max())) for name, r in of.items() if r.size}
    for (one, a), (other, b) in pairwise(ranges.items()):
        if a[1] < b[0] or b[1] < a[0]:
            return (
                f"sample_rate is {a[0]:g} for {one} and {b[0]:g} for {other} records, so every rate is wrong: "
                "log all statuses at one rate"
            )
    return None


def _by_numbers(study: Study, ok: Bools, failed: Bools) -> str | None:
    """Ids that count requests: where those of successes are all k apart and those of failures are not."""
    ids = study.columns.raw("id")
    good = _numbers(ids, ok)
    bad = _numbers(ids, failed)
    step = gcd(*(b - a for a, b in pairwise(good))) if len(good) >= _LEAST else 0
    if step < 2 or len(bad) < _LEAST // 5:
        return None
    together = sum((number - good[0]) % step == 0 for number in bad)
    if together > 0.5 * len(bad):
        return None
    return (
        f"ids of successes are all {step} apart and those of failures are not: it looks as if one success in "
        f"{step} is logged and every failure, so every rate is wrong: log all statuses at one rate"
    )


def _numbers(ids: Sequence[object], rows: Bools) -> list[int]:
    some = np.flatnonzero(rows)[:_MOST].tolist()
    found = (_LAST_DIGITS.search(str(ids[row])) for row in some if ids[row] is not None)
    return sorted({int(match[0]) for match in found if match})
