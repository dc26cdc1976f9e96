"""Silences: people say for how long nobody is to be told of what matches, and may say why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from secrets import token_hex

from sqlalchemy import Connection, func, select, update
from sqlalchemy.dialects.postgresql import insert

from monitor.config.rule import Match
from monitor.ledger.decided import silence
from monitor.ledger.facts import storable
from monitor.ledger.moments import moment


@dataclass(frozen=True, slots=True)
class Silence:
    """One silence; `match` has globs of labels, `rule`, `stream`, `signal` and `severity`, `reason` may be ""."""

    silence_id: str
    match: Match
    author: str
    reason: str


def add(
    conn: Connection, match: Mapping[str, tuple[str, ...]], *, for_ms: int, author: str, reason: str
) -> str:
    """Begin a silence now; returns its id."""
    made = token_hex(4)
    row = {
        "silence_id": made,
        "match": {label: list(globs) for label, globs in match.items()},
        "author": storable(author),
        "reason": storable(reason),
        "created_at": func.clock_timestamp(),
        "expires_at": func.clock_timestamp() + timedelta(milliseconds=for_ms),
    }
    conn.execute(insert(silence).values(row))
    return made


def expire(conn: Connection, silence_id: str, by: str) -> bool:
    """End a silence now; False where it is over already, or unknown."""
    mine = (silence.c.silence_id == silence_id) & (silence.c.expires_at > func.clock_timestamp())
    ended = update(silence).where(mine).values(expires_at=func.clock_timestamp(), expired_by=storable(by))
    return conn.execute(ended).rowcount == 1


def in_force(conn: Connection, now_ms: int) -> tuple[Silence, ...]:
    """The silences that are not over at `now_ms`, oldest first."""
    rows = conn.execute(
        select(silence).where(silence.c.expires_at > moment(now_ms)).order_by(silence.c.created_at)
    )
    return tuple(
        Silence(r.silence_id, Match({k: tuple(v) for k, v in r.match.items()}), r.author, r.reason)
        for r in rows
    )
