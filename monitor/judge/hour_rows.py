"""Hours of a reference as the ledger's rows."""

from collections.abc import Sequence

import numpy as np

from monitor.judge.hours import HOURS, Hours
from monitor.ledger.references import HourRow


def rows_of(hours: Hours | None) -> tuple[HourRow, ...]:
    """A row for each hour that has records."""
    if hours is None:
        return ()
    found = []
    for hour in np.unique(hours.hour).tolist():
        low, high = np.searchsorted(hours.hour, (hour, hour + 1))
        found.append(
            HourRow(
                hour=hour,
                buckets=hours.bucket[low:high].tolist(),
                counts=hours.count[low:high].tolist(),
                pane_rates=hours.rate[low:high].tolist(),
                panes=float(hours.panes[hour]),
                panes_inverse=float(hours.inverse[hour]),
            )
        )
    return tuple(found)


def hours_of(rows: Sequence[HourRow]) -> Hours | None:
    """The hours again; None where there are none."""
    if not rows:
        return None
    ordered = sorted(rows, key=lambda row: row.hour)
    panes, inverse = np.zeros(HOURS), np.zeros(HOURS)
    for row in ordered:
        panes[row.hour], inverse[row.hour] = row.panes, row.panes_inverse
    return Hours(
        hour=np.repeat([r.hour for r in ordered], [len(r.buckets) for r in ordered]).astype(np.int64),
        bucket=np.concatenate([np.array(r.buckets, np.int64) for r in ordered]),
        count=np.concatenate([np.array(r.counts, np.int64) for r in ordered]),
        rate=np.concatenate([np.array(r.pane_rates, np.float64) for r in ordered]),
        panes=panes,
        inverse=inverse,
    )
