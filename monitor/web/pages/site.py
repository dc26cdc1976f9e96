"""What the pages share."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from starlette.concurrency import run_in_threadpool

from monitor.config.model import Config
from monitor.web.board import Switchboard
from monitor.web.fresh import Fresh
from monitor.web.pages.reading import Reading
from monitor.web.pages.shell import Shell
from monitor.web.plots.drawing import Drawing
from monitor.web.session import Sessions
from monitor.web.status import Status

T = TypeVar("T")

KNOWN_S: Final = 2.0
"""Longer than a status waits for the ledger."""


class Site:
    """The pages of one server; `sessions` None: nobody may change anything."""

    def __init__(self, status: Callable[[], Status], board: Switchboard, sessions: Sessions | None) -> None:
        self.board = board
        self.sessions = sessions
        self.status = status
        self.shell = Shell(board.config.name, sessions)
        self.reading = Reading(board.engine)
        self.drawing = Drawing()
        self._known = Fresh(status, waited_s=KNOWN_S)
        self._acting = ThreadPoolExecutor(2, thread_name_prefix="acts")

    @property
    def config(self) -> Config:
        """As it holds now: it may be read again while the server runs."""
        return self.board.config

    async def act(self, change: Callable[[], T]) -> T:
        """What `change` comes to, two at a time: the threads of the probes are left alone."""
        return await asyncio.get_running_loop().run_in_executor(self._acting, change)

    async def known(self) -> Status | None:
        """What this process knows by itself; None where that takes long."""
        try:
            return await run_in_threadpool(self._known.get)
        except TimeoutError:
            return None
