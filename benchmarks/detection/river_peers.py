"""River's detectors on every event, each tuned to the same false-alarm rate on the same healthy streams."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from river import drift

from benchmarks.detection import peer_streams as streams
from benchmarks.detection.peer_streams import EVENTS_AN_ALARM, WARM_UP, Signal
from benchmarks.detection.real_cases import Case
from benchmarks.detection.worlds import Array

SEED: Final = 20_260_104
TOCSIN: Final = "Tocsin"


@dataclass(frozen=True)
class Peer:
    """`settings` from the most to the least sensitive.

    `slow` ones get fewer events, `binary` ones only see errors, `scaled` ones need those in spreads too.
    """

    name: str
    make: Callable[[float], Any]
    settings: tuple[float, ...]
    knob: str
    binary: bool = False
    slow: bool = False
    scaled: bool = False


PEERS: Final = (
    Peer("ADWIN", lambda x: drift.ADWIN(delta=x), tuple(np.logspace(-0.5, -60, 24).tolist()), "delta"),
    Peer(
        "PageHinkley",
        lambda x: drift.PageHinkley(delta=0.1, threshold=x, alpha=1.0),
        tuple(np.geomspace(5, 20_000, 20).tolist()),
        "threshold",
        scaled=True,
    ),
    Peer(
        "KSWIN",
        lambda x: drift.KSWIN(alpha=x, window_size=300, stat_size=100, seed=1),
        tuple(np.logspace(-2, -12, 8).tolist()),
        "alpha",
        slow=True,
    ),
    Peer(
        "DDM",
        lambda x: drift.binary.DDM(warm_start=1_000, drift_threshold=x),
        (2.5, 3, 3.5, 4, 4.5, 5, 6, 8, 12),
        "drift_threshold",
        binary=True,
    ),
    Peer(
        "EDDM",
        lambda x: drift.binary.EDDM(beta=x),
        (0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2),
        "beta",
        binary=True,
    ),
    Peer(
        "HDDM_A",
        lambda x: drift.binary.HDDMA(drift_confidence=x),
        (0.1, 0.03, 0.01, 1e-3, 1e-4, 1e-6, 1e-9, 1e-12, 1e-18, 1e-30),
        "drift_confidence",
        binary=True,
    ),
    Peer(
        "HDDM_W",
        lambda x: drift.binary.HDDMW(drift_confidence=x),
        (0.9, 0.6, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4, 1e-6, 1e-9, 1e-12),
        "drift_confidence",
        binary=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Extent:
    """`healthy` streams of so many `events`, `changed` ones of so many `after`; `slow` is what slow peers get."""

    healthy: int
    events: int
    changed: int
    after: int
    slow: "Extent | None" = None


FULL: Final = Extent(6, 40_000, 10, 10_000, Extent(1, 10_000, 5, 5_000))
QUICK: Final = Extent(2, 10_000, 3, 5_000)
STEADY, ALL = "steady", "steady, swinging"


@dataclass(frozen=True, slots=True)
class Row:
    """One detector on one signal, tuned on one kind of null; rates a 100,000 events, delays in events (NaN: missed).

    `real` are cells of real streams by the title of their column.
    """

    signal: str
    detector: str
    tuned_on: str
    setting: str
    steady: float
    swinging: float
    delays: tuple[tuple[str, tuple[float, ...]], ...]
    real: tuple[tuple[str, str], ...] = ()


def compared(extent: Extent, cases: Sequence[Case], tell: Callable[[str], None]) -> list[Row]:
    """Tocsin's rows, which have no real streams yet, and river's."""
    rows: list[Row] = []
    for signal in streams.SIGNALS:
        tell(f"peers: {signal.name}, Tocsin")
        rows.append(_tocsin(signal, extent))
        for peer in PEERS:
            its = extent.slow if peer.slow else extent
            if its is None or (peer.binary and signal.kind not in ("rate", "mix")):
                continue
            tell(f"peers: {signal.name}, {peer.name}")
            rows += _peer(signal, peer, its, [case for case in cases if case.kind == signal.name])
            tell(table(rows[-1:]).splitlines()[-1])
    return rows


def _tocsin(signal: Signal, extent: Extent) -> Row:
    rates = []
    for swings in (False, True):
        found = [streams.tocsin_alarms(signal, x) for x in _healthy(signal, extent, swings)]
        rates.append(sum(found) / (extent.healthy * extent.events) * EVENTS_AN_ALARM)
    delays = tuple(
        (
            name,
            tuple(streams.tocsin_delay(signal, x) for x in _changed(signal, change, extent)),
        )
        for name, change in signal.changes
    )
    steady, swinging = rates
    return Row(signal.name, TOCSIN, "nothing", f"A = {streams.A:,.0f} panes", steady, swinging, delays)


def _peer(signal: Signal, peer: Peer, extent: Extent, cases: Sequence[Case]) -> list[Row]:
    """A row for each kind of null that the peer is tuned on, one where both come to the same."""
    steady, swinging = (
        Healthy(peer, [fed(peer, simple(signal, x)) for x in _healthy(signal, extent, swings)])
        for swings in (False, True)
    )
    settings = {STEADY: _tuned(peer, [steady]), ALL: _tuned(peer, [steady, swinging])}
    if settings[STEADY] == settings[ALL]:
        del settings[STEADY]
    changed = {
        name: [fed(peer, simple(signal, x)) for x in _changed(signal, change, extent)]
        for name, change in signal.changes
    }
    name = f"{peer.name} (slow: {extent.events:,} events a null)" if peer.slow else peer.name
    rows = []
    for tuned_on, setting in settings.items():
        found = tuple(
            (change, tuple(delay(peer, setting, x, WARM_UP) for x in each))
            for change, each in changed.items()
        )
        on_steady, on_swinging = _rate([steady], setting), _rate([swinging], setting)
        real = tuple((case.title, _real(peer, setting, case)) for case in cases)
        told = f"{peer.knob} = {setting:.3g}"
        rows.append(Row(signal.name, name, tuned_on, told, on_steady, on_swinging, found, real))
    return rows


def _real(peer: Peer, setting: float, case: Case) -> str:
    """Learned as Tocsin learns, from half of what is quiet; alarms of the other half, then the delay."""
    before = 0
    for at in _alarms(peer, setting, fed(peer, case.values, case.quiet // 2), case.quiet // 2):
        if at >= case.quiet:
            return cell(at - case.quiet + 1.0, before, case.changes)
        before += at >= case.quiet // 2
    return cell(float("nan"), before, case.changes)


def cell(late: float, before: int, changes: bool) -> str:
    """`504 (0)`: the delay in records, `-` if missed, and alarms before the change; `(0)` where nothing changes."""
    if not changes:
        return f"({before})"
    return f"{'-' if np.isnan(late) else f'{late:,.0f}'} ({before})"


def with_real(rows: Iterable[Row], detector: str, cells: Iterable[tuple[Case, str]]) -> list[Row]:
    """The rows, those of `detector` with its cells of real streams."""
    known = list(cells)
    return [
        replace(row, real=tuple((case.title, text) for case, text in known if case.kind == row.signal))
        if row.detector == detector
        else row
        for row in rows
    ]


def simple(signal: Signal, stream: Array) -> Array:
    """What one number an event can say: of a mix, whether it is not the commonest category."""
    return (stream != 1).astype(np.float64) if signal.kind == "mix" else stream


def fed(peer: Peer, stream: Array, warm_up: int = WARM_UP) -> Array:
    """What a peer is given: errors as they are, numbers in spreads from the mean of the warm-up."""
    is_binary = bool(np.isin(stream, (0, 1)).all())
    return stream if is_binary and not peer.scaled else streams.scaled(stream, warm_up)


def _healthy(signal: Signal, extent: Extent, swings: bool) -> Iterable[Array]:
    rng = np.random.default_rng([SEED, int(swings)])
    return (signal.null(rng, extent.events, swings) for _ in range(extent.healthy))


def _changed(signal: Signal, change: streams.Values, extent: Extent) -> Iterable[Array]:
    rng = np.random.default_rng([SEED, 2])
    return (signal.changed(rng, change, extent.after) for _ in range(extent.changed))


class Healthy:
    """Healthy streams; every setting of a peer goes over them once."""

    def __init__(self, peer: Peer, streams: Sequence[Array]) -> None:
        self._peer, self._streams = peer, streams
        self._known: dict[float, int] = {}
        self.events = sum(len(x) - WARM_UP for x in streams)

    def alarms(self, setting: float) -> int:
        """Alarms after the warm-ups."""
        if setting not in self._known:
            found = (at for x in self._streams for at in _alarms(self._peer, setting, x, WARM_UP))
            self._known[setting] = sum(1 for at in found if at >= WARM_UP)
        return self._known[setting]


def _tuned(peer: Peer, healthy: Sequence[Healthy]) -> float:
    """The most sensitive setting with at most one false alarm in 100,000 events; the least sensitive if none has."""
    low, high = 0, len(peer.settings) - 1
    while low < high:
        middle = (low + high) // 2
        enough = _rate(healthy, peer.settings[middle]) <= 1
        low, high = (low, middle) if enough else (middle + 1, high)
    return float(peer.settings[low])


def _rate(healthy: Sequence[Healthy], setting: float) -> float:
    return sum(x.alarms(setting) for x in healthy) / sum(x.events for x in healthy) * EVENTS_AN_ALARM


def delay(peer: Peer, setting: float, stream: Array, change: int) -> float:
    """Events from the change to the first alarm after it; NaN if there is none."""
    return next(
        (at - change + 1.0 for at in _alarms(peer, setting, stream, change) if at >= change), float("nan")
    )


def _alarms(peer: Peer, setting: float, stream: Array, warm_up: int) -> Iterable[int]:
    """Positions of all alarms; a slow peer, whose window is short, skips most of the warm-up."""
    detector = peer.make(setting)
    begin = max(warm_up - 1_000, 0) if peer.slow else 0
    update = detector.update
    for at, x in enumerate(stream[begin:].tolist(), begin):
        update(x)
        if detector.drift_detected:
            yield at


def table(rows: Iterable[Row]) -> str:
    """Markdown, a part a signal, a line a detector and tuning."""
    found = list(rows)
    return "\n\n".join(
        _part(name, [row for row in found if row.signal == name])
        for name in dict.fromkeys(row.signal for row in found)
    )


def _part(signal: str, rows: Sequence[Row]) -> str:
    changes = [name for name, _ in rows[0].delays]
    titles = list(dict.fromkeys(title for row in rows for title, _ in row.real))
    head = [signal, "tuned on", "setting", "false alarms steady", "swinging", *changes, *titles]
    lines = [_line(head), "|" + "---|" * len(head)]
    for row in rows:
        known = dict(row.real)
        figures = [row.tuned_on, row.setting, f"{row.steady:.2f}", f"{row.swinging:.2f}"]
        delays = [streams.summary(each) for _, each in row.delays]
        lines.append(_line([row.detector, *figures, *delays, *(known.get(title, "") for title in titles)]))
    return "\n".join(lines)


def _line(values: Iterable[str]) -> str:
    return "| " + " | ".join(values) + " |"
