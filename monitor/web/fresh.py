"""A value that is read again when it is asked for, never old, and never waited for long."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Final, Generic, TypeVar

T = TypeVar("T")

REUSED_S: Final = 0.5
WAITED_S: Final = 1.0


class Fresh(Generic[T]):
    """Shares one `read` at a time among all who ask, and for `reused_s` from when it began.

    Whoever asks waits for `waited_s` at most, and gets nothing that is older, or half a second past `reused_s`.
    """

    def __init__(
        self,
        read: Callable[[], T],
        monotonic: Callable[[], float] = time.monotonic,
        *,
        reused_s: float = REUSED_S,
        waited_s: float = WAITED_S,
    ) -> None:
        self._read, self._monotonic, self._reused_s, self._waited_s = read, monotonic, reused_s, waited_s
        self._oldest_s = max(waited_s, reused_s + REUSED_S)
        self._lock = threading.Lock()
        self._reading: Future[tuple[float, T]] | None = None

    def get(self) -> T:
        """The value; raises what `read` raised, or TimeoutError where it took longer than `waited_s`."""
        try:
            began, value = self._newest().result(self._waited_s)
        except NotInTime:
            raise TimeoutError("not read in time") from None
        if self._monotonic() - began > self._oldest_s:
            raise TimeoutError("read too long ago")
        return value

    def _newest(self) -> "Future[tuple[float, T]]":
        with self._lock:
            if self._reading is None or self._spent(self._reading):
                self._reading = Future()
                threading.Thread(target=self._fill, args=(self._reading,), name="fresh", daemon=True).start()
            return self._reading

    def _spent(self, reading: "Future[tuple[float, T]]") -> bool:
        if not reading.done():
            return False
        return reading.exception() is not None or self._monotonic() - reading.result()[0] > self._reused_s

    def _fill(self, reading: "Future[tuple[float, T]]") -> None:
        began = self._monotonic()
        try:
            reading.set_result((began, self._read()))
        except Exception as error:
            reading.set_exception(error)
