"""What grew after the first ten minutes: the median of minutes 10 to 20 against that of the last ten."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from benchmarks.soak.sample import Sample

WARM_S: Final = 600.0
SPAN_S: Final = 600.0
KEPT_LONGER: Final = ("checkpoint", "lag", "pane_10s", "sample")
"""Tables that keep hours or days of rows, so an hour cannot show where they end."""


@dataclass(frozen=True, slots=True)
class Growth:
    """A figure early and late."""

    what: str
    unit: str
    early: float
    late: float

    @property
    def share(self) -> float:
        return self.late / self.early - 1 if self.early else 0.0


def growths(samples: Sequence[Sample]) -> list[Growth]:
    """Memory, open files, and the ledger's tables, those that keep hours of rows one by one."""
    end = samples[-1].at_s
    early = [s for s in samples if WARM_S <= s.at_s < WARM_S + SPAN_S] or list(samples[: len(samples) // 2])
    late = [s for s in samples if s.at_s >= end - SPAN_S] or list(samples[len(samples) // 2 :])

    def growth(what: str, unit: str, read: Callable[[Sample], float]) -> Growth:
        return Growth(what, unit, median(map(read, early)), median(map(read, late)))

    found = [
        growth("memory", "MiB", lambda s: s.rss_mib),
        growth("open files", "", lambda s: s.files),
        growth("threads", "", lambda s: s.threads),
        growth(
            "other tables", "MB", lambda s: sum(v for k, v in s.tables_mb.items() if k not in KEPT_LONGER)
        ),
    ]
    kept = [growth(table, "MB", lambda s, table=table: s.tables_mb.get(table, 0.0)) for table in KEPT_LONGER]
    return found + kept


def shown(samples: Sequence[Sample], found: Sequence[Growth]) -> list[str]:
    """The table, a line a figure."""
    last = samples[-1]
    lines = [f"{last.sent:,} records sent, {last.counted:,} counted, {last.rebalances} rebalances"]
    lines.append(
        f"lag: median {median(s.lag for s in samples):,.0f} records, most {max(s.lag for s in samples):,}"
    )
    lines += [f"{g.what}: {g.early:,.1f} -> {g.late:,.1f} {g.unit} ({g.share:+.1%})" for g in found]
    return [*lines, f"incidents: {last.incidents}"]


def last_line(samples: Sequence[Sample], found: Sequence[Growth]) -> str:
    """The outcome in one line."""
    of, last = {g.what: g for g in found}, samples[-1]
    return (
        f"soak: {last.at_s / 60:.0f} min, {last.sent} records, {last.sent - last.counted} lost, {last.rebalances} "
        f"rebalances, memory {of['memory'].share:+.1%}, open files {of['open files'].share:+.1%} after ten minutes"
    )
