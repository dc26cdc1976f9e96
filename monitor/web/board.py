"""The kill switches for HTTP: their states as the ledger has them now, and changes by hand."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import SQLAlchemyError

from monitor.config.model import Config, KillSwitch, SwitchKey, value_of
from monitor.config.rule import labelled
from monitor.errors import LedgerUnavailable
from monitor.killswitch import switches
from monitor.killswitch.change import KillOutcome
from monitor.killswitch.states import SwitchState, state
from monitor.ledger.counted import stream
from monitor.ledger.engine import explained
from monitor.web.fresh import Fresh

STREAMS_EVERY_S: Final = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Board:
    """All kill switches at one moment; `values` are those that a switch with `per` can have a state for."""

    switches: Mapping[str, KillSwitch]
    states: Mapping[SwitchKey, SwitchState]
    values: Mapping[str, frozenset[str]]


class Switchboard:
    """Reads the ledger at most twice a second for any number of readers. `wake` is called after a change."""

    def __init__(self, config: Config, engine: Engine, wake: Callable[[], None] = lambda: None) -> None:
        self.config, self.engine, self.wake = config, engine, wake
        self._values: tuple[float, Mapping[str, frozenset[str]]] = (-STREAMS_EVERY_S, {})
        self._fresh = Fresh(self._read)

    def reload(self, config: Config) -> None:
        """Show the switches of another configuration."""
        self.config = config
        self._values = (-STREAMS_EVERY_S, {})

    @property
    def switches(self) -> Mapping[str, KillSwitch]:
        return self.config.kill_switches

    def now(self) -> Board:
        """The states, at most a second old; raises DependencyError rather than tell older ones."""
        try:
            return self._fresh.get()
        except TimeoutError as error:
            raise LedgerUnavailable("Postgres does not answer within a second") from error

    def seen(self, conn: Connection) -> Board:
        """The states as `conn` sees them, beside what else it reads; without values that never had one."""
        return Board(self.switches, state(conn), {})

    def trip(self, switch: KillSwitch, stream: str, reason: str, actor: str) -> KillOutcome:
        """Pull it by hand; raises DependencyError."""
        return self.change(
            lambda conn: switches.trip(conn, switch, stream=stream, reason=reason, actor=actor)
        )

    def release(self, switch: KillSwitch, stream: str, reason: str, actor: str) -> KillOutcome:
        """Release it by hand; raises DependencyError."""
        return self.change(
            lambda conn: switches.release(conn, switch, stream=stream or None, reason=reason, actor=actor)
        )

    def change(self, write: Callable[[Connection], T]) -> T:
        """Change the ledger on this thread; returns what `write` does. Raises what it raises, and DependencyError."""
        try:
            with self.engine.begin() as conn:
                outcome = write(conn)
        except SQLAlchemyError as error:
            raise explained(self.engine.url, error) from error
        self.wake()
        return outcome

    def _read(self) -> Board:
        try:
            with self.engine.begin() as conn:
                states = state(conn)
                if time.monotonic() - self._values[0] > STREAMS_EVERY_S:
                    self._values = (time.monotonic(), self._possible(conn))
        except SQLAlchemyError as error:
            raise explained(self.engine.url, error) from error
        tripped = {name: frozenset(v for s, v in states if s == name) for name in self.switches}
        values = {name: tripped[name] | self._values[1].get(name, frozenset()) for name in self.switches}
        return Board(self.switches, states, values)

    def _possible(self, conn: Connection) -> Mapping[str, frozenset[str]]:
        per = {name: switch.per for name, switch in self.switches.items() if switch.per}
        if not per:
            return {}
        namings = self.config.streams.namings
        labels = [labelled(row.labels, namings) for row in conn.execute(select(stream.c.labels))]
        found = {name: {value_of(of, each) for each in labels} for name, of in per.items()}
        return {name: frozenset(v for v in values if v is not None) for name, values in found.items()}
