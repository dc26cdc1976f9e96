"""One judge's hold on the ledger: what it has cached, and one tick of work."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import Connection, Engine, select

from monitor import crash_points
from monitor.config.model import Config
from monitor.judge import (
    budgets,
    effects,
    health,
    lease,
    moving,
    new_versions,
    pane_rows,
    reference_rows,
    store,
    stream_rows,
)
from monitor.judge.budgets import Budget, BudgetKey
from monitor.judge.compiling import compile_plan
from monitor.judge.expiring import forgotten
from monitor.judge.kill import Switch, paused_by
from monitor.judge.lease import Lease
from monitor.judge.ledger_history import LedgerHistory
from monitor.judge.ledger_incidents import LedgerIncidents
from monitor.judge.memory import Advance, Context, Memory, advance
from monitor.judge.scene import Happened, Scene
from monitor.judge.store import Cursor, Read
from monitor.judge.verdicts import Learned
from monitor.judge.watermark import PartitionKey, Progress
from monitor.killswitch import states
from monitor.killswitch.deciding import State
from monitor.killswitch.states import SwitchState
from monitor.ledger import announcements, tables
from monitor.ledger.counted import topic_partition
from monitor.ledger.schema import STATE_VERSION
from monitor.records.delta import SLOT_MS, Delta

MOST_BYTES: Final = 64 << 20
MOST_CHECKPOINTS: Final = 1000
SLOW_TICK_S: Final = 2.0
ROWS_EVERY_S: Final = 2.0
QUICK_TICK_S: Final = 0.5

log = structlog.get_logger("judge")


@dataclass(frozen=True, slots=True)
class Held:
    """Everything cached while the lease is held; dropped whole on any error (rule 2)."""

    lease: Lease
    memory: Memory
    saved: Memory | None
    cursors: Mapping[PartitionKey, Cursor]
    labels: Mapping[int, Mapping[str, str]] = field(default_factory=dict)
    slices: Mapping[int, str] = field(default_factory=dict)
    troubles: frozenset[tuple[str, str]] = frozenset()
    budgets: Mapping[BudgetKey, Budget] | None = None


class Session:
    """Judges while it holds the lease. One thread; not to be shared.

    `tick` raises LeaseLost or a database error; the caller then calls `drop`.
    """

    def __init__(self, config: Config, engine: Engine, owner: UUID) -> None:
        self._config = config
        self._plan = compile_plan(config)
        self._engine = engine
        self._owner = owner
        self._held: Held | None = None
        self._most = MOST_CHECKPOINTS
        self._days: set[int] = set()
        self._rows_at = -ROWS_EVERY_S
        self._left_to_newer = False

    @property
    def leads(self) -> bool:
        return self._held is not None

    @property
    def event_ms(self) -> int | None:
        """The watermark, while leading."""
        return self._held.memory.progress.event_ms if self._held else None

    def drop(self) -> None:
        """Forget everything cached: another may judge, or a commit may be in doubt."""
        self._held = None
        self._days.clear()

    def tick(self) -> tuple[list[Happened], bool]:
        """Judge what has come; returns what happened, and whether more waits."""
        began = monotonic()
        if self._held is None and not self._campaign():
            return [], False
        held = self._require()
        with self._engine.begin() as conn:
            held = replace(held, lease=lease.renew(conn, held.lease))
            fresh = store.read(conn, held.cursors, self._most, MOST_BYTES)
            known = stream_rows.labels(conn, held.labels)
            slices = self._slices(conn, held, fresh)
            given = reference_rows.given(conn, held.memory.core.next_reference)
            listed, context = store.listed(conn, self._plan.paces), self._context(conn, held, known)
        grown = fresh.cursors.keys() != held.cursors.keys()
        context = replace(context, given=given, rows_due=grown or began - self._rows_at >= ROWS_EVERY_S)
        context = replace(context, slices=slices)
        paces = {topic_id: self._plan.paces[topic] for (topic_id, _), topic in listed.items()}
        memory = replace(held.memory, progress=replace(held.memory.progress, paces=paces))
        self._held = held = replace(held, labels={**held.labels, **known}, slices=slices, memory=memory)
        consumed = tuple(
            replace(c, delta=self._fresh_kills(c.delta, held.lease.now_ms)) for c in fresh.consumed
        )
        moved = advance(held.memory, consumed, listed, context)
        happened = self._commit(held, fresh, moved, given)
        self._pace(monotonic() - began)
        return happened, fresh.left_over

    def _campaign(self) -> bool:
        with self._engine.begin() as conn:
            taken = lease.take(conn, self._owner)
            if taken is None:
                self._note_newer(lease.newest_state(conn))
                return False
            memory = store.load(conn) or Memory(Progress(self._plan.lateness_ms))
            memory = replace(memory, progress=replace(memory.progress, lateness_ms=self._plan.lateness_ms))
            labels = stream_rows.labels(conn, ())
            memory, gone = forgotten(memory, self._plan, labels)
            held = Held(taken, memory, None, store.load_cursors(conn), labels)
            for happened in effects.expire_removed(conn, self._scene(conn, held), gone):
                log.info(
                    happened.event, rule=happened.rule, stream=happened.stream, incident=happened.incident_id
                )
            if gone:
                store.save(conn, memory, None)
        self._held = held
        log.info("leading", owner=str(self._owner))
        return True

    def _note_newer(self, version: int) -> None:
        """In a rolling restart older replicas leave judging to the newer ones; after a way back nobody would judge."""
        if version > STATE_VERSION and not self._left_to_newer:
            self._left_to_newer = True
            log.warning(
                "a newer Tocsin has judged here: this replica leaves it to those, so run the newer Tocsin everywhere",
                state_version=version,
                known=STATE_VERSION,
            )

    def _require(self) -> Held:
        if self._held is None:
            raise RuntimeError("a tick needs the lease")
        return self._held

    def _scene(self, conn: Connection, held: Held) -> Scene:
        now_ms = max(held.memory.progress.now_ms, 0)
        event_ms = held.memory.progress.event_ms
        caught_up = event_ms is not None and now_ms - event_ms <= self._plan.fresh_ms
        return Scene(LedgerIncidents(conn), self._config, self._plan, LedgerHistory(conn), now_ms, caught_up)

    def _context(self, conn: Connection, held: Held, fresh: Mapping[int, Mapping[str, str]]) -> Context:
        known = states.state(conn)
        labels = {**held.labels, **fresh}
        stopped = {key for key, s in known.items() if not s.serves}
        paused = paused_by(self._plan.kills, labels, stopped)
        return Context(
            plan=self._plan,
            labels=labels,
            switches={key: self._switch(s) for key, s in known.items()},
            paused=paused,
        )

    def _switch(self, now: SwitchState) -> Switch:
        known = self._config.kill_switches.get(now.switch)
        probe_ms = known.release.probe_ms if known is not None and known.release is not None else 0
        probing = now.state is State.PROBING
        return Switch(now.tripped, now.sequence, probing, now.since_ms + probe_ms, now.since_ms)

    def _slices(self, conn: Connection, held: Held, fresh: Read) -> Mapping[int, str]:
        if not self._plan.sliced:
            return {}
        tables = [held.memory.open.cells, *(c.delta.cells for c in fresh.consumed)]
        return {**held.slices, **stream_rows.slice_fields(conn, tables, held.slices)}

    def _fresh_kills(self, delta: Delta, now_ms: int) -> Delta:
        """Kill slots too old by the database's clock never count, however late this judge reads them (rule 5)."""
        guards = [switch.guard for kill in self._plan.kills for switch in kill.switches.values()]
        oldest = (now_ms - max((guard.fresh_ms for guard in guards), default=0)) // SLOT_MS
        return delta.without_kill_slots_before(oldest)

    def _commit(self, held: Held, fresh: Read, moved: Advance, given: tuple[Learned, ...]) -> list[Happened]:
        days = pane_rows.pane_days(moved.cells) - self._days
        if days:
            tables.ensure_pane_days(self._engine, days)
            self._days |= days
        with self._engine.begin() as conn:
            renewed = lease.renew(conn, held.lease)
            pane_rows.write_panes(conn, moved.cells, moved.sums)
            new_versions.announce(conn, self._config, moved.versions, held.memory.progress.now_ms)
            pane_rows.write_versions(conn, moved.versions)
            reference_rows.adopted(conn, given, held.memory.core.next_pane or 0)
            held = replace(held, lease=renewed, memory=moved.memory)
            scene = self._scene(conn, held)
            happened = effects.apply(conn, scene, moved.decisions) + effects.probe_due(conn, scene)
            moving.remind(scene)
            stream_rows.write_streams(conn, stream_rows.rows_of(moved, self._plan))
            troubles = self._health(conn, scene.now_ms, held)
            left = budgets.budgets(moved.memory.core, self._plan)
            budgets.write(conn, left, held.budgets)
            cursors = store.judged(held.cursors, fresh.cursors, moved)
            store.move_cursors(conn, held.cursors, cursors, store.watermarks(moved.memory))
            if fresh.consumed or given:
                store.save(conn, moved.memory, held.saved)
                held = replace(held, saved=moved.memory)
            crash_points.reached("judge.before_commit")
        crash_points.reached("judge.after_commit")
        self._held = replace(held, cursors=cursors, troubles=troubles, budgets=left)
        if moved.complete:
            self._rows_at = monotonic()
        return happened

    def _health(self, conn: Connection, now_ms: int, held: Held) -> frozenset[tuple[str, str]]:
        rows = conn.execute(
            select(topic_partition).where(topic_partition.c.topic.in_(self._plan.paces))
        ).all()
        lag = sum(max((r.end_offset or 0) - (r.next_offset or 0), 0) for r in rows)
        now = health.conditions(held.memory, {r.topic_id: r.topic for r in rows}, lag)
        for begun in now.keys() - held.troubles:
            condition = now[begun]
            announcements.open_internal(
                conn,
                self._config,
                rule=condition.rule,
                key=condition.key,
                summary=condition.summary,
                detail=condition.detail,
                at_ms=now_ms,
            )
        for rule, key in held.troubles - now.keys():
            announcements.resolve_internal(conn, rule=rule, key=key, detail="it is over")
        return frozenset(now)

    def _pace(self, took_s: float) -> None:
        """Keep a tick well under the lease's length, whatever a checkpoint costs."""
        if took_s > SLOW_TICK_S:
            self._most = max(self._most // 2, 1)
        elif took_s < QUICK_TICK_S:
            self._most = min(self._most * 2, MOST_CHECKPOINTS)

    def reconfigure(self, config: Config) -> None:
        """Judge by `config` from now on; incidents of rules that are gone, or that left a stream, expire.

        The lease is given back for that, so that whoever leads next begins from what is stored.
        """
        self._config, self._plan = config, compile_plan(config)
        self.resign()
        self.drop()

    def resign(self) -> None:
        """Give the lease back, so that another leads at once."""
        if self._held is None:
            return
        with self._engine.begin() as conn:
            lease.give_up(conn, self._held.lease)
        self._held = None
