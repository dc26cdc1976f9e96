"""What a replica and the ledger use at one moment."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine, text

from monitor.local.extra import load_extra

_PSUTIL: Final[Any] = load_extra("psutil")

_TABLES: Final = text("""
    SELECT regexp_replace(relname, '_[0-9]{8,10}$', ''), sum(pg_total_relation_size(oid)) / 1e6
    FROM pg_class WHERE relnamespace = 'tocsin_ledger'::regnamespace AND relkind = 'r' GROUP BY 1
""")
_PROGRESS: Final = text(
    "SELECT coalesce(sum(judged_offset), 0)::bigint, coalesce(sum(counted), 0)::bigint, "
    "coalesce(sum(lag), 0)::bigint FROM tocsin.progress"
)
_INCIDENTS: Final = text("SELECT count(*) FROM tocsin.incidents")


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds since the start; memory in MiB, open files, threads; tables in MB; records sent, counted and judged."""

    at_s: float
    rss_mib: float
    files: int
    threads: int
    tables_mb: Mapping[str, float]
    sent: int
    counted: int
    judged: int
    lag: int
    rebalances: int
    incidents: int


def take(engine: Engine, pid: int, at_s: float, sent: int, rebalances: int) -> Sample:
    """The sample of now."""
    process = _PSUTIL.Process(pid)
    with engine.connect() as conn:
        tables = {name: float(size) for name, size in conn.execute(_TABLES)}
        judged, counted, lag = conn.execute(_PROGRESS).one()
        incidents = int(conn.execute(_INCIDENTS).scalar_one())
    return Sample(
        at_s=round(at_s, 1),
        rss_mib=round(process.memory_info().rss / 2**20, 1),
        files=process.num_fds(),
        threads=process.num_threads(),
        tables_mb={name: round(size, 2) for name, size in sorted(tables.items())},
        sent=sent,
        counted=counted,
        judged=judged,
        lag=lag,
        rebalances=rebalances,
        incidents=incidents,
    )
