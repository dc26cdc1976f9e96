"""What the detectors are to find while things break: models that fail and recover, and a switch pulled and released."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from fault_load import Failing

from monitor.local.feed import now_ms
from monitor.local.receiver import Received, Receiver

KILL_PATH: Final = "/kill"
SWITCH: Final = "chat"
KILLED: Final = "m-0"
OUTAGES: Final = ("m-1", "m-2", "m-3")
TRIP_WITHIN_S: Final = 120.0
RELEASE_WITHIN_S: Final = 90.0
LOOK_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds, from and to: how long models are well, how long they fail, how long the switch is left alone."""

    well_s: tuple[float, float] = (25.0, 45.0)
    fails_s: tuple[float, float] = (14.0, 20.0)
    kill_rest_s: tuple[float, float] = (15.0, 25.0)


@dataclass(frozen=True, slots=True)
class Outage:
    """A model failed from `from_ms` to `until_ms`, with `records` plain records in that time."""

    model: str
    from_ms: int
    until_ms: int
    records: int


class Story:
    """Runs in threads of its own until `stop`; what it missed is in `missed`."""

    def __init__(
        self,
        seed: int,
        failing: Failing,
        receiver: Receiver,
        config: Callable[[], Path],
        calm: Callable[[], bool],
        pace: Pace,
    ) -> None:
        """`calm` says whether Tocsin is over the last fault: what it owes in a time, it owes in calm times."""
        self._seed, self._failing, self._receiver, self._config = seed, failing, receiver, config
        self._calm, self._pace = calm, pace
        self._stopping = threading.Event()
        self.outages: list[Outage] = []
        self.kills: list[Outage] = []
        self.missed: list[str] = []
        self.to_trip_s: list[float] = []
        parts = [(self._kill_again, ()), *((self._fail_again, (model,)) for model in OUTAGES)]
        self._threads = [threading.Thread(target=run, args=args, daemon=True) for run, args in parts]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let everybody recover, and the switch be released."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(2 * (TRIP_WITHIN_S + RELEASE_WITHIN_S))

    def _fail_again(self, model: str) -> None:
        rng = Random(f"story/{self._seed}/{model}")
        while not self._stopping.wait(rng.uniform(*self._pace.well_s)):
            lasts_s = rng.uniform(*self._pace.fails_s)
            self.outages.append(self._fail(model, lambda lasts_s=lasts_s: self._stopping.wait(lasts_s)))

    def _fail(self, model: str, wait: Callable[[], object]) -> Outage:
        self._failing.written[model] = 0
        from_ms = now_ms()
        self._failing.models.add(model)
        wait()
        self._failing.models.discard(model)
        return Outage(model, from_ms, now_ms(), self._failing.written[model])

    def _kill_again(self) -> None:
        rng = Random(f"story/{self._seed}/kill")
        sequence = 0
        while not self._stopping.wait(rng.uniform(*self._pace.kill_rest_s)):
            self.kills.append(
                self._fail(KILLED, lambda after=sequence: self._await("tripped", after, TRIP_WITHIN_S))
            )
            self._stopping.wait(4.0)
            if self._release(len(self.kills)):
                self._await("released", sequence, RELEASE_WITHIN_S)
            sequence = max(sequence, *(m["sequence"] for m in kill_messages(self._receiver.received)), 0)

    def _await(self, state: str, after: int, within_s: float) -> None:
        began, calm_s = time.monotonic(), 0.0
        while calm_s < within_s:
            time.sleep(LOOK_S)
            calm_s += LOOK_S * self._calm()
            for message in kill_messages(self._receiver.received):
                if message["state"] == state and message["sequence"] > after:
                    if state == "tripped":
                        self.to_trip_s.append(time.monotonic() - began)
                    return
        self.missed.append(f"switch {SWITCH} not {state} at the receiver within {within_s:.0f} calm seconds")

    def _release(self, number: int) -> bool:
        """Whether the command took; what it says is kept where it did not."""
        command = [sys.executable, "-m", "monitor.cli", "kill", "release", SWITCH, "--by", "faults"]
        command += ["--reason", f"recovered, {number}", "-c", str(self._config())]
        calm_s = 0.0
        while calm_s < RELEASE_WITHIN_S:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return True
            time.sleep(1.0)
            calm_s += self._calm()
        self.missed.append(f"switch {SWITCH} could not be released: {done.stderr.strip()[-200:]}")
        return False


def kill_messages(received: Sequence[Received]) -> list[dict[str, Any]]:
    """The data of kill messages in the order they came, each id once: what a deduplicating service sees."""
    seen: set[str] = set()
    found = []
    for request in received:
        identity = request.headers["webhook-id"]
        if request.path == KILL_PATH and request.signed and identity not in seen:
            seen.add(identity)
            found.append(request.json()["data"])
    return found
