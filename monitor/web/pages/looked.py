"""One stream, with every signal that it has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from monitor.config.model import Config
from monitor.ledger.budgets import Budgets, budgets
from monitor.ledger.references import signals_between
from monitor.ledger.unguaranteed import of_stream
from monitor.ledger.wording import percent
from monitor.web.board import Board
from monitor.web.pages import watched
from monitor.web.plots.history import LASTS, until

NOTHING: Final = percent(0)
MOST_BUDGETS: Final = 50


@dataclass(frozen=True, slots=True)
class Looked:
    """A stream with its signals, those that fire or that rules name first; newest versions and incidents first.

    `plotted` are those that there is something to see of: a rate of 0 that no rule names is said and not drawn.
    `unguaranteed` names those whose rules run outside the promise.
    """

    stream: watched.Stream
    plotted: tuple[watched.Shown, ...]
    unguaranteed: str
    budgets: Budgets
    versions: Sequence[Row[Any]]
    incidents: Sequence[Row[Any]]


def looked_at(conn: Connection, config: Config, board: Board, name: str) -> Looked | None:
    """A stream by its name; None where there is none."""
    found = watched.one(conn, board, name)
    if found is None:
        return None
    end = until(found.row.last_seen)
    codes = signals_between(conn, found.row.stream_id, end - LASTS, end)
    counted = [signal for code in codes if (signal := config.coded(code)) is not None]
    first = [signal for signal in watched.picked(config, found) if signal in counted]
    signals = list(dict.fromkeys([*first, *filter(watched.has_history, counted)]))
    [described] = watched.described(conn, config, [found], {found.row.stream_id: signals})
    return Looked(
        stream=described,
        plotted=tuple(s for s in described.signals if s.signal in first or s.now != NOTHING),
        unguaranteed=of_stream(conn, name),
        budgets=budgets(conn, MOST_BUDGETS, name),
        versions=conn.execute(_VERSIONS, {"stream": name}).all(),
        incidents=conn.execute(_INCIDENTS, {"stream": name}).all(),
    )


_VERSIONS: Final = text("""
    SELECT version, first_seen, last_seen, n FROM tocsin.versions WHERE stream = :stream
    ORDER BY last_seen DESC LIMIT 10
""")
_INCIDENTS: Final = text("""
    SELECT * FROM tocsin.incidents WHERE stream = :stream ORDER BY state = 'firing' DESC, opened_at DESC LIMIT 20
""")
