"""A value that is read again when it is asked for, at most a second old, and never waited for long."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotInTime
from typing import Final, Generic, TypeVar

T = TypeVar("T")

REUSED_S: Final = 0.5
OLDEST_S: Final = 1.0


class Fresh(Generic[T]):
    """Shares one `read` at a time among all who ask; what is older than `OLDEST_S` is never given."""

    def __init__(self, read: Callable[[], T], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._read, self._monotonic = read, monotonic
        self._lock = threading.Lock()
        self._reading: Future[tuple[float, T]] | None = None

    def get(self) -> T:
        """The value; raises what `read` raised, or TimeoutError where it took longer than `OLDEST_S`."""
        try:
            began, value = self._newest().result(OLDEST_S)
        except NotInTime:
            raise TimeoutError("not read in time") from None
        if self._monotonic() - began > OLDEST_S:
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
        return reading.exception() is not None or self._monotonic() - reading.result()[0] > REUSED_S

    def _fill(self, reading: "Future[tuple[float, T]]") -> None:
        began = self._monotonic()
        try:
            reading.set_result((began, self._read()))
        except Exception as error:
            reading.set_exception(error)
