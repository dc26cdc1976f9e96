"""The streams that are watched: in what state, and how their signals are now."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Row, text

from monitor.config.model import Config, value_of
from monitor.config.problem import listed
from monitor.config.rule import RuleKind, Severity, labelled
from monitor.killswitch.states import SwitchState
from monitor.records.signals import ASKED_ONLY, Kind, Signal
from monitor.web.board import Board
from monitor.web.plots import limits, measures
from monitor.web.plots.history import LASTS, MINUTE, NOW, PANE, History, Wanted, histories, lived, until

MOST_SIGNALS: Final = 3
FEW_SIGNALS: Final = 2


@dataclass(frozen=True, slots=True)
class Shown:
    """A signal of a stream in words: how it is now, what is usual, and `limit 5%`."""

    signal: Signal
    now: str
    usual: str
    limit: str
    firing: bool

    def alt(self, stream: str) -> str:
        """What a plot of it says to who cannot see it."""
        said = [f"{self.signal.name} of {stream}, the last {LASTS.seconds // 3600} hours: now {self.now}"]
        said += [f"usually {self.usual}"] if self.usual else []
        said += [self.limit] if self.limit else []
        return ", ".join(said)


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream as the pages show it; `killed` are the switches that stop it, `firing` its incidents."""

    row: Row[Any]
    firing: Sequence[Row[Any]]
    killed: tuple[str, ...]
    signals: tuple[Shown, ...] = ()

    @property
    def name(self) -> str:
        return str(self.row.stream)

    @property
    def worst(self) -> str:
        """The loudest severity of what fires, "" where nothing does."""
        return max((Severity(row.severity) for row in self.firing), key=lambda s: s.rank, default="")

    @property
    def learned(self) -> str:
        """How far learning has come, "" where it is over."""
        row = self.row
        return f"{row.learned:,} of {row.needed:,}" if row.state in ("learning", "provisional") else ""


def streams(conn: Connection, board: Board | None, incidents: Iterable[Row[Any]], most: int) -> list[Stream]:
    """The first `most` of those that are not retired: what fires or is killed, then the newest records."""
    by_stream: dict[str, list[Row[Any]]] = {}
    for row in incidents:
        by_stream.setdefault(row.stream, []).append(row)
    stopped = [s for s in board.states.values() if not s.serves] if board else []
    named = [*by_stream, *(s.stream for s in stopped)]
    rows = conn.execute(_STREAMS, {"named": named, "most": most}).all()
    found = [Stream(row, by_stream.get(row.stream, ()), _killed(row, board, stopped)) for row in rows]
    return sorted(found, key=lambda s: (not s.firing, not s.killed))


def firing(conn: Connection) -> Sequence[Row[Any]]:
    """All incidents that fire, by stream."""
    return conn.execute(_ALL_FIRING).all()


def one(conn: Connection, board: Board | None, name: str) -> Stream | None:
    """A stream by its name."""
    row = conn.execute(_STREAM, {"stream": name}).first()
    if row is None:
        return None
    stopped = [s for s in board.states.values() if not s.serves] if board else []
    return Stream(row, conn.execute(_FIRING, {"stream": name}).all(), _killed(row, board, stopped))


def count(conn: Connection) -> int:
    """How many streams are not retired."""
    return int(conn.execute(_COUNT).scalar_one())


def with_signals(conn: Connection, config: Config, found: Sequence[Stream]) -> list[Stream]:
    """The streams with the signals that matter: those that fire first, then those that rules name."""
    chosen = {s.row.stream_id: picked(config, s)[: MOST_SIGNALS if s.firing else FEW_SIGNALS] for s in found}
    return described(conn, config, found, chosen)


def described(
    conn: Connection, config: Config, found: Sequence[Stream], chosen: Mapping[int, Sequence[Signal]]
) -> list[Stream]:
    """The streams with the signals that are `chosen` by the stream's number."""
    wanted = [_now(s, signal) for s in found for signal in chosen[s.row.stream_id]]
    known = histories(conn, wanted, step=MINUTE) if wanted else {}
    told: dict[int, list[Shown]] = {s.row.stream_id: [] for s in found}
    of = {s.row.stream_id: s for s in found}
    for w in wanted:
        told[w.stream_id].append(_shown(config, of[w.stream_id], known[w.key]))
    return [replace(s, signals=tuple(told[s.row.stream_id])) for s in found]


def labels_of(config: Config, row: Row[Any]) -> Mapping[str, str]:
    """All labels of a stream."""
    return labelled(row.labels, config.streams.namings)


def picked(config: Config, found: Stream) -> list[Signal]:
    """The signals that matter: those that fire first, then those that rules name."""
    labels = labels_of(config, found.row)
    fires = [row.signal or "requests" for row in found.firing]
    ruled = [
        name
        for rule in config.rules
        if rule.enabled and rule.match.accepts(labels)
        for name in (rule.signals if rule.kind is not RuleKind.ABSENT else ("requests",))
    ]
    names = dict.fromkeys([*fires, *(name for name in ruled if name not in ASKED_ONLY)])
    return [signal for name in names if (signal := signal_of(config, name)) is not None]


def signal_of(config: Config, name: str) -> Signal | None:
    """A signal by its name; None where there is none, as of a rule that is gone."""
    try:
        return config.signal(name)
    except KeyError:
        return None


def _now(found: Stream, signal: Signal) -> Wanted:
    """Up to the last record, however long ago it came; of traffic up to now, since none is news."""
    last: datetime | None = found.row.last_seen
    end = until(last) if last is None or signal.kind is Kind.TRAFFIC else last + PANE
    return Wanted(found.row.stream_id, signal, end - NOW, end)


def _shown(config: Config, found: Stream, history: History) -> Shown:
    signal = history.wanted.signal
    usual = measures.usual(history)
    passed = limits.lines(config, labels_of(config, found.row), signal, usual, found.firing)
    lasts = lived(found.row.first_seen, history.wanted.until, NOW)
    return Shown(
        signal=signal,
        now=measures.in_words(signal, measures.newest(history, lasts)),
        usual=measures.in_words(signal, usual) if usual else "",
        limit=f"limit{'s' if len(passed) > 1 else ''} {listed(line.words for line in passed)}"
        if passed
        else "",
        firing=any((row.signal or "requests") == signal.name for row in found.firing),
    )


def _killed(row: Row[Any], board: Board | None, stopped: Iterable[SwitchState]) -> tuple[str, ...]:
    """The switches that stop this stream: of its labels' value, or that it tripped itself."""
    switches = board.switches if board else {}
    return tuple(
        s.switch
        for s in stopped
        if s.stream == row.stream
        or (s.value and s.switch in switches and value_of(switches[s.switch].per, row.labels) == s.value)
    )


def has_history(signal: Signal | None) -> bool:
    """Whether people can look at it."""
    return signal is not None and signal.kind in (Kind.RATE, Kind.DISTRIBUTION, Kind.CATEGORY, Kind.TRAFFIC)


_COLUMNS: Final = (
    "stream_id, key AS stream, labels, state, first_seen, last_seen, reference_id, learned, needed"
)
_STREAMS: Final = text(f"""
    SELECT {_COLUMNS} FROM tocsin_ledger.stream
    WHERE (state <> 'retired' AND last_seen IS NOT NULL) OR key = ANY(CAST(:named AS text[]))
    ORDER BY key <> ALL(CAST(:named AS text[])), key LIMIT :most
""")  # noqa: S608
_STREAM: Final = text(f"SELECT {_COLUMNS} FROM tocsin_ledger.stream WHERE key = :stream")  # noqa: S608
_COUNT: Final = text(
    "SELECT count(*) FROM tocsin_ledger.stream WHERE state <> 'retired' AND last_seen IS NOT NULL"
)
_ALL_FIRING: Final = text(
    "SELECT * FROM tocsin.incidents WHERE state = 'firing' ORDER BY onset_at LIMIT 1000"
)
_FIRING: Final = text(
    "SELECT * FROM tocsin.incidents WHERE stream = :stream AND state = 'firing' ORDER BY onset_at"
)
