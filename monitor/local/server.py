"""What a local Kafka and a local Postgres have in common: one child process in a directory of its own."""

import atexit
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from monitor.errors import ServerStartFailed
from monitor.local.cache import cache_dir
from monitor.local.extra import load_extra
from monitor.local.ports import free_ports, is_free
from monitor.local.registry import Entry, Registration, kill_family, stop_orphans

_LOOK_EVERY_S = 0.03
_STOP_WITHIN_S = 15.0
_START_WITHIN_S = 120.0
_PORTS_TRIED = 4
_TELLING = re.compile(r"(FATAL|PANIC|ERROR|error|Caused by|[\w.]+(?:Exception|Error)): .*")


class LocalServer(ABC):
    """A server's process, its directory (`home`) and its ports; not thread-safe.

    Without `home` it gets one of its own that goes when the server is closed. The process leads its own
    group, so Ctrl-C at a terminal reaches us alone and we stop it in order.
    """

    name: ClassVar[str]
    stop_signal: ClassVar[signal.Signals]
    ports_needed: ClassVar[int] = 1

    def __init__(self, home: Path | None, port: int | None) -> None:
        cache = cache_dir()
        stop_orphans(cache / "running")
        self._chosen_port = port
        self._ports: list[int] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()
        self._ephemeral = home is None
        self.home = (
            home.resolve() if home else self._place(cache) / f"{self.name.lower()}-{secrets.token_hex(6)}"
        )
        entry = Entry(str(self.home), self._ephemeral, int(self._last_signal()))
        self._registration = Registration(cache / "running", entry)
        atexit.register(self.close)

    @property
    def port(self) -> int:
        return self._ports[0]

    @property
    def pid(self) -> int:
        """The process id of the server; 0 while it is stopped."""
        return self._process.pid if self._process and self._process.poll() is None else 0

    @property
    def log(self) -> Path:
        """The file that holds what the server has printed."""
        return self.home / "server.log"

    def start(self) -> None:
        """Start and wait until clients are served; another port is chosen if ours is taken meanwhile.

        Raises ServerStartFailed with one sentence.
        """
        self.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        for _ in range(_PORTS_TRIED):
            self._ports = self._ports or self._choose_ports()
            try:
                self._start_once()
            except ServerStartFailed:
                self.kill()
                if self._chosen_port or all(map(is_free, self._ports)):
                    raise
                self._ports = []
            except BaseException:
                self.kill()
                raise
            else:
                return
        raise ServerStartFailed(f"{self.name} found no free port on this machine in {_PORTS_TRIED} attempts")

    def stop(self) -> None:
        """Shut down in order; SIGKILL if that takes too long. Does nothing when it is not running."""
        self._end(self.stop_signal, _STOP_WITHIN_S)

    def kill(self) -> None:
        """SIGKILL, as a crash would; its data stays."""
        self._end(signal.SIGKILL, _STOP_WITHIN_S)

    def restart(self) -> None:
        """Stop if it runs, and start on the same port and data."""
        self.stop()
        self._start_once()

    def close(self) -> None:
        """Stop for good, and remove the directory unless the caller named it."""
        atexit.unregister(self.close)
        # A forked child must not stop its parent's server.
        if os.getpid() != self._owner:
            return
        self._end(self._last_signal(), _STOP_WITHIN_S)
        if self._ephemeral:
            shutil.rmtree(self.home, ignore_errors=True)
        self._registration.release()

    def _last_signal(self) -> signal.Signals:
        return self.stop_signal

    def _place(self, cache: Path) -> Path:
        return cache / "servers"

    @abstractmethod
    def _prepare(self) -> None:
        """Write configuration, and make the data directory if it is not there."""

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the command line; it must name `home`, by which an orphan is recognised."""

    @abstractmethod
    def _is_ready(self) -> bool:
        """Say whether clients are served."""

    def _user(self) -> int | None:
        return None

    def _choose_ports(self) -> list[int]:
        if self._chosen_port is None:
            return free_ports(self.ports_needed)
        if not is_free(self._chosen_port):
            raise ServerStartFailed(
                f"{self.name} cannot start on port {self._chosen_port}: another program listens there; "
                "choose another port, or none to have a free one found"
            )
        return [self._chosen_port, *free_ports(self.ports_needed - 1)]

    def _start_once(self) -> None:
        self._prepare()
        with self.log.open("ab") as log:
            seen = log.tell()
            self._process = subprocess.Popen(  # noqa: S603
                self._command(),
                cwd=self.home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user(),
                process_group=0,
            )
        self._registration.started(self._process.pid)
        self._wait(self._is_ready, seen)

    def _wait(self, ready: Callable[[], bool], seen: int) -> None:
        deadline = time.monotonic() + _START_WITHIN_S
        while not ready():
            if not self.pid:
                raise ServerStartFailed(f"{self.name} stopped while starting: {self._last_words(seen)}")
            if time.monotonic() > deadline:
                raise ServerStartFailed(
                    f"{self.name} is not ready after {_START_WITHIN_S:.0f} s: {self._last_words(seen)}"
                )
            time.sleep(_LOOK_EVERY_S)

    def _last_words(self, seen: int) -> str:
        return telling_line(self.log.read_bytes()[seen:].decode(errors="replace"))

    def _end(self, number: signal.Signals, within_s: float) -> None:
        process, psutil = self._process, load_extra("psutil")
        if process is None or process.poll() is not None:
            return
        try:
            kill_family(psutil.Process(process.pid), number, within_s)
        except BaseException:
            # A second Ctrl-C: at once, then.
            kill_family(psutil.Process(process.pid), signal.SIGKILL, within_s)
            raise
        finally:
            process.wait(within_s)


def telling_line(output: str) -> str:
    """Return the line of a server's output that says why it failed, without what stands before the reason."""
    lines = [line for line in output.splitlines() if line.strip() and not line.startswith("\t")]
    reasons = [found.group() for found in map(_TELLING.search, lines) if found]
    return (reasons or lines or ["it printed nothing"])[-1].strip()
