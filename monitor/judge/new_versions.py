"""A version that a stream had not shown before, told to receivers that keep changes beside incidents."""

from typing import Final

from sqlalchemy import Connection, Row, text

from monitor.config.model import Config
from monitor.config.receiver_kinds import KINDS
from monitor.config.templates import receivers
from monitor.ledger.moments import millis, rfc3339
from monitor.ledger.outbox import CHANGED, Addressee, addressees, enqueue
from monitor.records.delta import Versions
from monitor.records.settings import NO_VALUE

_EXPIRES_MS: Final = 3_600_000

# A stream's first version is no change.
_NEW: Final = text("""
    SELECT st.key AS stream, st.labels, s.value AS version, to_timestamp(seen.first_ms / 1000.0) AS at
    FROM unnest(CAST(:streams AS int[]), CAST(:slices AS int[]), CAST(:firsts AS bigint[]))
         AS seen (stream_id, slice_id, first_ms)
    JOIN tocsin_ledger.slice s ON s.slice_id = seen.slice_id
    JOIN tocsin_ledger.stream st ON st.stream_id = seen.stream_id
    WHERE EXISTS (SELECT FROM tocsin_ledger.version v WHERE v.stream_id = seen.stream_id)
      AND NOT EXISTS (SELECT FROM tocsin_ledger.version v
                      WHERE v.stream_id = seen.stream_id AND v.version = s.value)
      AND s.value <> :none
""")


def announce(conn: Connection, config: Config, versions: Versions, now_ms: int) -> None:
    """Enqueue what `versions` has that the ledger does not have yet; old news are no news."""
    if not versions.stream.size or not any(_hears(config, name) for name in config.receivers):
        return
    seen = {
        "streams": versions.stream.tolist(),
        "slices": versions.slice.tolist(),
        "firsts": versions.first_ms.tolist(),
        "none": NO_VALUE,
    }
    for row in conn.execute(_NEW, seen):
        if now_ms - millis(row.at) <= config.fresh_ms:
            _tell(conn, config, row, now_ms)


def _tell(conn: Connection, config: Config, row: Row[tuple[object, ...]], now_ms: int) -> None:
    for receiver in _audience(config, row):
        enqueue(
            conn,
            incident_id=None,
            kill_id=None,
            receiver=receiver.name,
            kind=receiver.kind,
            event=CHANGED,
            payload={
                "stream": row.stream,
                "labels": row.labels,
                "version": row.version,
                "at": rfc3339(row.at),
            },
            not_after_ms=now_ms + _EXPIRES_MS,
            about=f"{row.stream}/{row.version}",
        )


def _audience(config: Config, row: Row[tuple[object, ...]]) -> list[Addressee]:
    """Whom the rules on this stream tell, at any severity, and who keeps changes."""
    rules = [rule for rule in config.rules if rule.enabled and rule.match.accepts(row.labels)]
    names = tuple(dict.fromkeys(name for rule in rules for name in rule.notify.names))
    told = receivers(names, row.labels, config.receivers, config.default_notify)
    return addressees(config, tuple(name for name in told if _hears(config, name)))


def _hears(config: Config, name: str) -> bool:
    receiver = config.receivers.get(name)
    if receiver is None or CHANGED not in KINDS[receiver.kind].hears:
        return False
    return receiver.settings.get("change_events", True) is not False
