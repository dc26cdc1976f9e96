"""Outages at the clock's speed: how long until the kill webhook arrives, and how much of that is ours."""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from benchmarks.bench_config import SWITCH, BenchConfig
from benchmarks.cores import Cores
from benchmarks.figures import Spike
from benchmarks.requests_now import RequestsNow
from benchmarks.throughput import ROOT, followed, running
from monitor.errors import TocsinError
from monitor.ledger.engine import connect
from monitor.local.daemon import Daemon
from monitor.local.receiver import KILL, Received, Receiver
from monitor.local.server import telling_line

HEALTHY_S: Final = 3.0
KILL_WITHIN_S: Final = 60.0
RELEASE_WITHIN_S: Final = 20.0
TRIPPED: Final = "kill_switch.tripped"
RELEASED: Final = "kill_switch.released"


def measure_spikes(
    cores: Cores, config: BenchConfig, records: int, count: int, seen: Callable[[int], None]
) -> list[Spike]:
    """`count` outages of a stream with a reference; `records` are in the topic already, and judged.

    Each ends with its webhook; then the switch is released by `tocsin kill release`, and some seconds are healthy.
    Raises TocsinError when a webhook does not come.
    """
    engine = connect(config.store_url, name="tocsin bench")
    requests = RequestsNow(config.bootstrap_servers, config.topic)
    try:
        with running(cores, config) as (daemon, _):
            requests.start()
            for _ in followed(daemon, engine, lambda p: p.judged > records):
                pass
            spikes = []
            for _ in range(count):
                time.sleep(HEALTHY_S)
                spikes.append(_spike(daemon, config.receiver, requests))
                seen(len(spikes))
            return spikes
    finally:
        requests.stop()
        engine.dispose()


def _spike(daemon: Daemon, receiver: Receiver, requests: RequestsNow) -> Spike:
    began_ms = requests.fail()
    try:
        kill = _awaited(receiver, TRIPPED, began_ms, KILL_WITHIN_S)
    finally:
        requests.recover()
    _release(daemon)
    _awaited(receiver, RELEASED, kill.at_ms, RELEASE_WITHIN_S)
    return spike_of(began_ms, kill)


def spike_of(began_ms: int, kill: Received) -> Spike:
    """The figures of one outage whose first record was sent at `began_ms`, from its webhook."""
    body: Any = kill.json()
    until = datetime.fromisoformat(body["data"]["evidence_until"])
    return Spike((kill.at_ms - began_ms) / 1_000, kill.at_ms / 1_000 - until.timestamp())


def _awaited(receiver: Receiver, kind: str, since_ms: int, within_s: float) -> Received:
    def wanted(request: Received) -> bool:
        if request.path != KILL or not request.signed or request.at_ms < since_ms:
            return False
        body: Any = request.json()
        return bool(body["type"] == kind)

    found = receiver.wait_for(wanted, within_s)
    if found is None:
        raise TocsinError(f"no {kind} webhook came within {within_s:.0f} s")
    return found


def _release(daemon: Daemon) -> None:
    command = [sys.executable, "-m", "monitor.cli", "kill", "release", SWITCH]
    options = ["--reason", "the benchmark goes on", "--by", "bench", "-c", str(daemon.config)]
    outcome = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        raise TocsinError(f"kill release failed: {telling_line(outcome.stderr)}")
