"""Which servers run for whom, on disk: one left behind by a SIGKILL of ours is stopped at the next start.

Each server has a file in `<cache>/running/`. Its owner holds a file lock on it for as long as it lives, and
the kernel lets go of that lock however the owner ends. A file that nobody locks therefore names an orphan, if
its process is still the one recorded: same pid, same start time, the server's directory on its command line.
"""

import fcntl
import json
import os
import shutil
import signal
import uuid
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from monitor.local.extra import load_extra

_START_TOLERANCE_S = 5.0
_STOP_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What one file says; `pid` is 0 before the first start, `started` is in seconds since the epoch."""

    home: str
    ephemeral: bool
    stop_signal: int
    pid: int = 0
    started: float = 0.0


class Registration:
    """A server's file, locked until `release` or the end of this process."""

    def __init__(self, directory: Path, entry: Entry) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.entry = entry
        self._path = directory / f"{uuid.uuid4().hex}.json"
        # Locked under another name first, so that nobody ever sees it unlocked while its owner lives.
        unseen = self._path.with_suffix(".new")
        self._file = unseen.open("w+")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._write(entry)
        unseen.rename(self._path)

    def started(self, pid: int) -> None:
        """Record the server's process."""
        self._write(replace(self.entry, pid=pid, started=start_time(pid)))

    def release(self) -> None:
        """Forget the server, which has been stopped."""
        self._path.unlink(missing_ok=True)
        self._file.close()

    def _write(self, entry: Entry) -> None:
        self.entry = entry
        self._file.seek(0)
        self._file.truncate()
        json.dump(asdict(entry), self._file)
        self._file.flush()


def start_time(pid: int) -> float:
    """Return when a process began, in seconds since the epoch; 0 if it is gone."""
    psutil = load_extra("psutil")
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return 0.0


def stop_orphans(directory: Path) -> list[Entry]:
    """Stop every server whose owner is gone, remove what it was to leave nothing of; return those entries."""
    stopped = []
    for path in sorted(directory.glob("*.json")):
        try:
            file = path.open("r+")
        except FileNotFoundError:
            continue
        with file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            entry = _read(file.read())
            if entry is not None:
                _stop(entry)
                stopped.append(entry)
            path.unlink(missing_ok=True)
    return stopped


def _read(text: str) -> Entry | None:
    try:
        return Entry(**json.loads(text))
    except (ValueError, TypeError):
        return None


def _stop(entry: Entry) -> None:
    process = recorded_process(entry)
    if process is not None:
        kill_family(process, signal.Signals(entry.stop_signal), _STOP_WITHIN_S)
    if entry.ephemeral:
        shutil.rmtree(entry.home, ignore_errors=True)


def recorded_process(entry: Entry) -> Any | None:
    """Return the psutil.Process that the entry means; None if it is gone, or its pid is another's by now."""
    psutil = load_extra("psutil")
    if entry.pid <= 0:
        return None
    try:
        process = psutil.Process(entry.pid)
        same_start = abs(process.create_time() - entry.started) <= _START_TOLERANCE_S
        named = any(_is_within(argument, entry.home) for argument in process.cmdline())
    except psutil.Error:
        return None
    return process if same_start and named else None


def _is_within(argument: str, home: str) -> bool:
    return argument == home or argument.startswith(home + os.sep)


def kill_family(process: Any, stop_signal: signal.Signals, within_s: float) -> None:
    """Send `stop_signal` to a psutil.Process, wait, and SIGKILL it and its children if any is still there."""
    psutil = load_extra("psutil")
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    # A crash takes the children along: nobody is left to tell them.
    for member in family if stop_signal is signal.SIGKILL else (process,):
        _signal(member, stop_signal)
    _signal(process, signal.SIGCONT)
    _, alive = psutil.wait_procs(family, timeout=within_s)
    for survivor in alive:
        _signal(survivor, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=within_s)


def _signal(process: Any, number: signal.Signals) -> None:
    psutil = load_extra("psutil")
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
