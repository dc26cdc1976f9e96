"""`tocsin run` as a process of its own, for the demo and the benchmark."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Final

import httpx

from monitor.local.ports import HOST, accepts
from monitor.local.server import LocalServer
from monitor.local.signals import unwind_on_signals

READY_WITHIN_S: Final = 2.0


class Daemon(LocalServer):
    """A running `tocsin run`; `url` is its HTTP address, `config` its alerts.yaml."""

    name: ClassVar[str] = "Tocsin"
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self, alerts_yaml: Callable[[int], str], *, home: Path | None = None) -> None:
        """`alerts_yaml` gives the configuration's text for an HTTP port."""
        super().__init__(home, None)
        self._alerts_yaml = alerts_yaml

    @property
    def config(self) -> Path:
        return self.home / "alerts.yaml"

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def _prepare(self) -> None:
        self.config.touch(mode=0o600)
        self.config.write_text(self._alerts_yaml(self.port), "utf-8")

    def _command(self) -> list[str]:
        return [sys.executable, "-m", "monitor.cli", "run", "-c", str(self.config)]

    def _is_ready(self) -> bool:
        if not accepts(self.port):
            return False
        try:
            return httpx.get(f"{self.url}/readyz", timeout=READY_WITHIN_S).status_code == 200
        except httpx.HTTPError:
            return False


@contextmanager
def local_daemon(alerts_yaml: Callable[[int], str]) -> Iterator[Daemon]:
    """Run the daemon for the length of a `with` block, ready when the block begins.

    Its directory goes when the block ends. Raises ServerStartFailed with the daemon's own last words.
    """
    with unwind_on_signals():
        server = Daemon(alerts_yaml)
        try:
            server.start()
            yield server
        finally:
            server.close()
