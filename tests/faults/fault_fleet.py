"""The replicas that are to run now, and the faults that befall them."""

import signal
import time
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Final

from fault_deck import Fault, Kind
from fault_site import Replica, Site
from fault_watch import Watch

LONGEST_RESPAWN_S: Final = 3.0
STOPS: Final = ":stop"
# Longer than the session time-out, than the lease, and than the claim on a message.
FREEZE_S: Final = {"ingest": (8.0, 14.0), "judge": (8.0, 14.0), "notify": (32.0, 38.0)}
TIMES_BEFORE_CRASH: Final = {"ingest": 12, "judge": 8, "notify": 2}


class Fleet:
    """Keeps `wanted` replicas running, whatever kills them; what is to be visited is armed as they come back."""

    def __init__(self, site: Site, watch: Watch, seed: int, wanted: int) -> None:
        self._site, self._watch, self.wanted = site, watch, wanted
        self._rng = Random(f"fleet/{seed}")
        self._replicas: dict[int, Replica] = {}
        self._back_at: dict[int, float] = {}
        self._thaw_at: dict[int, float] = {}
        self._to_visit: list[str] = []
        self.visited: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self.ended: list[str] = []
        self._blows: dict[Kind, Callable[[Fault], None]] = {
            Kind.KILL: self._kill,
            Kind.CRASH: self._crash,
            Kind.STOP: self._stop,
            Kind.STOP_AT: self._crash,
            Kind.SCALE: self._scale,
        }

    @property
    def waits(self) -> bool:
        """Whether there are steps at which nobody has died or stopped yet, though somebody was to."""
        return bool(self._to_visit)

    def strike(self, fault: Fault) -> bool:
        """Let it happen, where it befalls replicas; whether it does."""
        blow = self._blows.get(fault.kind)
        if blow is not None:
            blow(fault)
        return blow is not None

    def tend(self) -> None:
        """Thaw, bury and restart whatever is due."""
        now = time.monotonic()
        for number in [n for n, at in self._thaw_at.items() if at <= now]:
            self._thaw(number)
        for number in range(self.wanted):
            replica = self._replicas.get(number) or self._site.replica(number)
            self._replicas[number] = replica
            if replica.pid:
                self._note_stop(replica, now)
            else:
                self._bury(replica)
                if self._back_at.setdefault(number, now) <= now:
                    self._start(replica)
        for number in [n for n in self._replicas if n >= self.wanted]:
            self._replicas.pop(number).close()

    def settle(self) -> None:
        """No more crash points, nothing frozen."""
        self._to_visit.clear()
        for number in list(self._thaw_at):
            self._thaw(number)
        for replica in self._replicas.values():
            if replica.pid and replica.crash_at:
                self._back_at[replica.number] = time.monotonic()
                replica.kill()
                self.kills[Kind.KILL] += 1

    def close(self) -> None:
        for replica in self._replicas.values():
            replica.close()

    def _start(self, replica: Replica) -> None:
        self._back_at.pop(replica.number, None)
        replica.crash_at = self._next_crash()
        replica.start()

    def _next_crash(self) -> str:
        if not self._to_visit:
            return ""
        # The next replica is told the next step, until one has died of this one.
        step = self._to_visit.pop(0)
        self._to_visit.append(step)
        times = self._rng.randint(1, TIMES_BEFORE_CRASH[step.partition(".")[0]])
        return f"{step.removesuffix(STOPS)}:{times}{STOPS * step.endswith(STOPS)}"

    def _bury(self, replica: Replica) -> None:
        """Note how a replica ended that nobody here has ended."""
        code = replica.exit_code()
        if code is None or replica.number in self._back_at:
            return
        self._back_at[replica.number] = time.monotonic() + self._rng.uniform(0.0, LONGEST_RESPAWN_S)
        step = replica.crash_at.partition(":")[0]
        if code == -signal.SIGKILL and step:
            self.kills[f"at {step}"] += 1
            self._visited(step)
        else:
            self.ended.append(f"replica {replica.number} ended with {code} by itself")

    def _note_stop(self, replica: Replica, now: float) -> None:
        """It stopped by itself at a step: leave it there until others have taken over."""
        if not replica.stopped_itself:
            return
        step = replica.crash_at.partition(":")[0]
        replica.frozen, replica.crash_at = True, ""
        shortest, longest = FREEZE_S[step.partition(".")[0]]
        self._thaw_at[replica.number] = now + self._rng.uniform(shortest, longest)
        self.others[f"SIGSTOP at {step}"] += 1
        self._visited(step + STOPS)

    def _visited(self, step: str) -> None:
        self.visited[step] += 1
        if step in self._to_visit:
            self._to_visit.remove(step)
        self._watch.strike(
            f"SIGSTOP at {step.removesuffix(STOPS)}" if step.endswith(STOPS) else f"crash at {step}"
        )

    def _running(self) -> list[Replica]:
        return [r for r in self._replicas.values() if r.pid and not r.frozen]

    def _victim(self, fault: Fault) -> Replica | None:
        running = self._running()
        return running[int(fault.luck * len(running))] if running else None

    def _kill(self, fault: Fault) -> None:
        victim = self._victim(fault)
        if victim is None:
            return
        self._back_at[victim.number] = time.monotonic() + fault.lasts_s / 2
        victim.kill()
        self.kills[Kind.KILL] += 1
        self._watch.strike("SIGKILL")

    def _crash(self, fault: Fault) -> None:
        """From now on replicas come back with this step armed; one has to come back at once."""
        self._to_visit.insert(0, fault.step + STOPS * (fault.kind is Kind.STOP_AT))
        self._kill(fault)

    def _stop(self, fault: Fault) -> None:
        victim = self._victim(fault)
        if victim is None:
            return
        victim.freeze()
        self._thaw_at[victim.number] = time.monotonic() + fault.lasts_s
        self.others["SIGSTOP"] += 1
        if self._running():
            self._watch.strike("SIGSTOP")

    def _thaw(self, number: int) -> None:
        del self._thaw_at[number]
        replica = self._replicas.get(number)
        if replica is not None:
            replica.thaw()
            self._watch.strike("SIGCONT")

    def _scale(self, fault: Fault) -> None:
        self.wanted = fault.replicas
        self.others[f"scaled to {fault.replicas}"] += 1
        for number in [n for n in self._thaw_at if n >= self.wanted]:
            self._thaw(number)
        self.tend()
        self._watch.strike("scaled")
