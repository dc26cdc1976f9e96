"""Signals of users: one of the three kinds, measured on any field of a record.

A signal's code is a hash of its name within its kind's part of 1,024 to 32,767, which the registry leaves
free. So it is the same after a restart, on every replica and in a replay, with nothing to agree on; two names
that share a code cannot be used together, and the loader of alerts.yaml says so. The kind can be read off the
code, so checkpoints explain themselves. A name keeps its kind for ever: the ledger refuses another one.
"""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

import numpy as np
from numpy.typing import NDArray

from monitor.records.delta import I64
from monitor.records.signals import FIRST_USER_CODE, SIGNALS, Kind, Of, Side, Signal, missing

_ROOM: Final = 8_192
_LAST: Final = 32_767
_START: Final = {
    Kind.RATE: FIRST_USER_CODE,
    Kind.DISTRIBUTION: FIRST_USER_CODE + _ROOM,
    Kind.CATEGORY: FIRST_USER_CODE + 2 * _ROOM,
}
_MISSING: Final = FIRST_USER_CODE + 3 * _ROOM
_BUILT_IN_CATEGORIES: Final = tuple(s.code for s in SIGNALS if s.kind is Kind.CATEGORY)
_BAD: Final = {Kind.RATE: Side.UP, Kind.DISTRIBUTION: Side.BOTH, Kind.CATEGORY: Side.BOTH}


@dataclass(frozen=True, slots=True)
class UserSignal:
    """What a user defined: `path` leads from the record to the value, by keys (positions in an array).

    A rate counts the values whose text is in `when`, or `true` where `when` is empty. A distribution takes
    numbers from `low` to `high`. `signal` is its row of the registry, `missing` that of `missing.<name>`:
    ok records without a value that the signal can count.
    """

    signal: Signal
    path: tuple[str, ...]
    when: tuple[str, ...] = ()
    low: float = 0.0
    high: float = float(2**53)

    @property
    def missing(self) -> Signal:
        name = self.signal.name
        code = _MISSING + _hash(name, _LAST + 1 - _MISSING)
        return missing(code, name, self.signal.field, Of.OK, f"records without a value for `{name}`")


def user_signal(name: str, kind: Kind, field: str, *, probability: bool = False) -> Signal:
    """The registry's row of a user's signal; `field` as the user wrote it, `probability` for logit buckets.

    >>> user_signal("declined", Kind.RATE, "prediction").code
    5815
    """
    unit = "probability" if probability else "units" if kind is Kind.DISTRIBUTION else "share"
    code = _START[kind] + _hash(name, _ROOM)
    return Signal(code, name, kind, unit, field, Of.OK, _BAD[kind], f"`{field}`, as alerts.yaml defines it")


def _hash(name: str, room: int) -> int:
    return int.from_bytes(blake2b(name.encode(), digest_size=8).digest(), "little") % room


def categories(codes: I64) -> NDArray[np.bool_]:
    """Which signal codes int64[n] are of categories, so that their buckets are names: bool[n]."""
    first = _START[Kind.CATEGORY]
    of_users = (codes >= first) & (codes < first + _ROOM)
    return np.asarray(of_users | np.isin(codes, _BUILT_IN_CATEGORIES))
