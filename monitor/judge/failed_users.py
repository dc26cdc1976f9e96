"""How many users met the failures of an incident."""

from typing import Final

from monitor.judge.history import History
from monitor.judge.verdicts import Verdict
from monitor.records.signals import FAILED_USERS, WHOLE, Signal
from monitor.records.users import distinct_users

_FAILURES: Final = frozenset({"error", "timeout"})


def failed_users(
    history: History, verdict: Verdict, signal: Signal, window: tuple[int, int]
) -> dict[str, int | bool]:
    """The fields of `Facts` on users; none where the log names none, and for parts of a stream."""
    if signal.name not in _FAILURES or verdict.slice_id != WHOLE:
        return {}
    hashes, _ = history.counts(verdict.stream, FAILED_USERS, WHOLE, *window)
    users, exact = distinct_users(hashes)
    return {"users": users, "users_exact": exact} if users else {}
