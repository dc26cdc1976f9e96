"""Leadership as a row with a version: every judge transaction begins by moving it, or loses everything (rule 2)."""

from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from monitor.errors import LeaseLost
from monitor.ledger.schema import STATE_VERSION

_RENEW: Final = text("""
    UPDATE tocsin_ledger.judge_lease
    SET version = version + 1, expires_at = clock_timestamp() + interval '5 s'
    WHERE id = 1 AND owner = :owner AND version = :version
    RETURNING version, (extract(epoch FROM clock_timestamp()) * 1000)::bigint
""")
_TAKE: Final = text("""
    UPDATE tocsin_ledger.judge_lease
    SET owner = :owner, version = version + 1, expires_at = clock_timestamp() + interval '5 s',
        min_state_version = greatest(min_state_version, :state_version)
    WHERE id = 1 AND (owner IS NULL OR expires_at < clock_timestamp()) AND min_state_version <= :state_version
    RETURNING version, (extract(epoch FROM clock_timestamp()) * 1000)::bigint
""")
_NEWEST: Final = text("SELECT min_state_version FROM tocsin_ledger.judge_lease WHERE id = 1")
_GIVE_UP: Final = text("""
    UPDATE tocsin_ledger.judge_lease SET owner = NULL, version = version + 1, expires_at = clock_timestamp()
    WHERE id = 1 AND owner = :owner AND version = :version
""")


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease held; `now_ms` is the database's clock when it was last renewed."""

    owner: UUID
    version: int
    now_ms: int


def take(conn: Connection, owner: UUID) -> Lease | None:
    """Take the lease if nobody holds it; None if somebody does, or knows newer state than this program."""
    row = conn.execute(_TAKE, {"owner": owner, "state_version": STATE_VERSION}).first()
    return None if row is None else Lease(owner, row[0], row[1])


def newest_state(conn: Connection) -> int:
    """The newest version of the judge's state that anybody who led has known."""
    return int(conn.execute(_NEWEST).scalar_one())


def renew(conn: Connection, lease: Lease) -> Lease:
    """The first statement of a judge transaction; raises LeaseLost where another judges now."""
    row = conn.execute(_RENEW, {"owner": lease.owner, "version": lease.version}).first()
    if row is None:
        raise LeaseLost("another process judges now")
    return replace(lease, version=row[0], now_ms=row[1])


def give_up(conn: Connection, lease: Lease) -> None:
    """Let another judge at once; nothing happens where it is lost already."""
    conn.execute(_GIVE_UP, {"owner": lease.owner, "version": lease.version})
