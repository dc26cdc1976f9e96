"""The registry of signals as rows: the views name by them what panes and references hold."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Engine, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from detectors.buckets import LOGIT
from monitor.errors import UsageError
from monitor.ledger.counted import signal as table
from monitor.records.signals import FIRST_USER_CODE, INTERNAL, SIGNALS, Signal
from monitor.records.user_signals import UserSignal

_COLUMNS: Final = ("name", "kind", "unit", "scale")


def register(connection: Connection, signals: Iterable[Signal] = (*SIGNALS, *INTERNAL)) -> None:
    """Write the rows of `signals`. A user's row of long ago makes way for a signal of Tocsin's with its name."""
    rows = [_row(signal) for signal in signals]
    names = [row["name"] for row in rows if row["code"] < FIRST_USER_CODE]
    gone = update(table).where(table.c.code >= FIRST_USER_CODE, table.c.name.in_(names))
    connection.execute(gone.values(name=table.c.name + " (alerts.yaml)"))
    upsert = insert(table)
    connection.execute(
        upsert.on_conflict_do_update(
            index_elements=["code"], set_={name: upsert.excluded[name] for name in _COLUMNS}
        ),
        rows,
    )


def register_all(engine: Engine, own: Sequence[UserSignal]) -> None:
    """Write Tocsin's signals and those that alerts.yaml defines, in one transaction.

    Raises `UsageError` where one of `own` was of another kind before: its panes could not be read any more.
    """
    signals = [signal for user in own for signal in (user.signal, user.missing)]
    with engine.begin() as connection:
        register(connection)
        if signals:
            _refuse_others(connection, {s.name: s for s in signals})
            register(connection, signals)


def _refuse_others(connection: Connection, signals: Mapping[str, Signal]) -> None:
    codes = {s.code: s for s in signals.values()}
    stored = select(table).where(or_(table.c.name.in_(signals), table.c.code.in_(codes)))
    for row in connection.execute(stored):
        if row.name not in signals:
            raise UsageError(
                f"signals.{codes[row.code].name} has the same number as {row.name}, "
                "which the ledger has panes of: give the new one another name"
            )
        wanted = signals[row.name]
        here, there = _described(wanted.kind, _scale(wanted)), _described(row.kind, row.scale)
        if here != there:
            raise UsageError(
                f"signals.{row.name} is a {here} here, and the ledger has panes of it as a {there}: "
                "give the new one another name"
            )


def _described(kind: str, scale: str | None) -> str:
    return f"{kind} on a {scale} scale" if scale else kind


def _row(signal: Signal) -> dict[str, Any]:
    return {
        "code": signal.code,
        "name": signal.name,
        "kind": signal.kind.value,
        "unit": signal.unit,
        "scale": _scale(signal),
    }


def _scale(signal: Signal) -> str | None:
    if signal.scale is None:
        return None
    return "logit" if signal.scale is LOGIT else "log"
