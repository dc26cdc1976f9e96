"""A TCP proxy between two parties, which can be slow, silent or cut, for all of its connections or every second one."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Final

from monitor.local.ports import HOST, free_ports

CHUNK_BYTES: Final = 65_536
DELAY_S: Final = 0.05
WITHIN_S: Final = 10.0


class Manner(StrEnum):
    """How a wire carries what is sent: at once, late, not until it is open again, or by no connection at all."""

    OPEN = "open"
    SLOW = "slowed"
    BLACK = "black-holed"
    CUT = "cut"


class Wire:
    """Listens on `port`, and passes bytes on to and from `to_port`; to be bent by any thread."""

    def __init__(self, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self.name = name
        self.port = free_ports(1)[0]
        self.to_port = 0
        self._loop = loop
        self._manner, self._every = Manner.OPEN, 1
        self._news = asyncio.Condition()
        self._connections = 0
        self._ends: dict[int, tuple[asyncio.StreamWriter, ...]] = {}
        self._server: asyncio.Server | None = None

    @property
    def bent(self) -> bool:
        return self._manner is not Manner.OPEN

    def bend(self, manner: Manner, every: int = 1) -> None:
        """From now on `every` connection, counted, is treated in this manner; in force when this returns."""
        asyncio.run_coroutine_threadsafe(self._bend(manner, every), self._loop).result(WITHIN_S)

    async def listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, self.port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for number in list(self._ends):
            self._abort(number)

    async def _bend(self, manner: Manner, every: int) -> None:
        async with self._news:
            self._manner, self._every = manner, every
            self._news.notify_all()
        if manner is Manner.CUT:
            for number in [n for n in self._ends if n % every == 0]:
                self._abort(number)

    def _abort(self, number: int) -> None:
        for end in self._ends.pop(number, ()):
            end.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        number = self._connections
        if self._manner is Manner.CUT and self._every == 1:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(HOST, self.to_port)
        except OSError:
            writer.transport.abort()
            return
        self._ends[number] = (writer, far_writer)
        pumps = [
            asyncio.create_task(self._pump(number, reader, far_writer)),
            asyncio.create_task(self._pump(number, far_reader, writer)),
        ]
        _, rest = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in rest:
            pump.cancel()
        for end in self._ends.pop(number, ()):
            end.close()

    async def _pump(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(CHUNK_BYTES):
                await self._carried(number)
                writer.write(data)
                await writer.drain()
            await self._carried(number)
        except OSError:
            return

    async def _carried(self, number: int) -> None:
        """Wait for as long as a chunk is under way; the end of a connection takes its time as well."""
        if number % self._every:
            return
        if self._manner is Manner.SLOW:
            await asyncio.sleep(DELAY_S)
        async with self._news:
            await self._news.wait_for(lambda: self._manner is not Manner.BLACK or number % self._every)


@contextmanager
def wires(*names: str) -> Iterator[dict[str, Wire]]:
    """A wire for each name, open for the length of the block; `to_port` is to be set before anybody connects."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="wires", daemon=True)
    thread.start()
    found = {name: Wire(name, loop) for name in names}
    try:
        for wire in found.values():
            asyncio.run_coroutine_threadsafe(wire.listen(), loop).result(WITHIN_S)
        yield found
    finally:
        for wire in found.values():
            asyncio.run_coroutine_threadsafe(wire.close(), loop).result(WITHIN_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(WITHIN_S)
        loop.close()
