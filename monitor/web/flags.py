"""Kill switches as OpenFeature flags: `<switch>.enabled` and `<switch>.serve`, and what a context means for them.

A switch with `per` is asked with its labels in the context, or by value: `<switch>_<value>.enabled`, characters outside
[A-Za-z0-9._-] as `_`, since clients escape nothing in a key.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from monitor.config.model import KillSwitch, flag_name, value_of
from monitor.killswitch.deciding import State
from monitor.killswitch.states import SwitchState
from monitor.web.board import Board

NORMAL: Final = "normal"
ASPECTS: Final = ("enabled", "serve")

Context = Mapping[str, Any]


class NotEvaluated(Exception):
    """A flag has no value; `code` is OFREP's errorCode."""

    def __init__(self, code: str, details: str) -> None:
        self.code, self.details = code, details
        super().__init__(details)


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of a board; `chance` in [0, 1) decides for a probe about requests without a targetingKey."""

    board: Board
    chance: Callable[[], float] = random.random

    def evaluate(self, key: str, context: Context) -> dict[str, Any]:
        """`{key, value, reason, variant, metadata}`; raises NotEvaluated."""
        switch, value, aspect, reason = self._meant(key, context)
        now = self.board.states.get((switch.name, value))
        serves, reason = self._serves(now, context, reason)
        shown = serves if aspect == "enabled" else NORMAL if serves or now is None else now.instead
        variant = ("on" if serves else "off") if aspect == "enabled" else str(shown)
        return {
            "key": key,
            "value": shown,
            "reason": reason,
            "variant": variant,
            "metadata": _metadata(switch, value, now),
        }

    def names(self) -> Iterator[str]:
        """Every flag there is: of each switch, and of each of its values."""
        for name, switch in self.board.switches.items():
            for aspect in ASPECTS:
                yield f"{flag_name(name)}.{aspect}"
            for value in sorted(self.board.values.get(name, ())) if switch.per else ():
                for aspect in ASPECTS:
                    yield f"{flag_name(name)}_{flag_name(value)}.{aspect}"

    def _meant(self, key: str, context: Context) -> tuple[KillSwitch, str, str, str]:
        """The switch, which of its states, what of it, and the reason as far as it is known."""
        stem, _, aspect = key.rpartition(".")
        if aspect not in ASPECTS:
            raise NotEvaluated("FLAG_NOT_FOUND", "a flag is <switch>.enabled or <switch>.serve")
        for name, switch in self.board.switches.items():
            if flag_name(name) == stem:
                return switch, *self._by_context(switch, context, aspect)
        found = [(switch, value) for switch, value in self._values() if _stem(switch, value) == stem]
        if len(found) > 1:
            raise NotEvaluated("GENERAL", f"{key} is more than one stream: ask with the label in the context")
        if not found:
            raise NotEvaluated(
                "FLAG_NOT_FOUND", "there is no such kill switch, or no stream of that name was seen yet"
            )
        return *found[0], aspect, "STATIC"

    def _values(self) -> Iterator[tuple[KillSwitch, str]]:
        for name, switch in self.board.switches.items():
            for value in self.board.values.get(name, ()) if switch.per else ():
                yield switch, value

    def _by_context(self, switch: KillSwitch, context: Context, aspect: str) -> tuple[str, str, str]:
        if not switch.per:
            return "", aspect, "STATIC"
        labels = {label: str(context[label]) for label in switch.per if _is_label(context.get(label))}
        value = value_of(switch.per, labels)
        if value is None:
            wanted = " and ".join(switch.per)
            raise NotEvaluated(
                "INVALID_CONTEXT", f"{switch.name} has a state for each {wanted}: add it to the context"
            )
        return value, aspect, "TARGETING_MATCH"

    def _serves(self, now: SwitchState | None, context: Context, reason: str) -> tuple[bool, str]:
        """Whether this request is to be served; a probe lets the same targetingKeys through while it lasts."""
        if now is None or now.serves:
            return True, reason
        if now.state is State.TRIPPED or now.share is None:
            return False, reason
        key = context.get("targetingKey")
        draw = self.chance() if not isinstance(key, str) or not key else _place(now, key)
        return draw < now.share, "SPLIT"


def _is_label(value: object) -> bool:
    return isinstance(value, str | int | float) and not isinstance(value, bool) and str(value) != ""


def _stem(switch: KillSwitch, value: str) -> str:
    return f"{flag_name(switch.name)}_{flag_name(value)}"


def _place(now: SwitchState, key: str) -> float:
    """Where a targetingKey lies in [0, 1), another place in each probe."""
    digest = sha256(f"{now.switch}/{now.sequence}/{key}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8]) / 2**64


def _metadata(switch: KillSwitch, value: str, now: SwitchState | None) -> dict[str, Any]:
    """Scalars only, as OFREP has it."""
    known = {
        "switch": switch.name,
        "stream": value or (now.stream if now else ""),
        "state": now.state.value if now else State.RELEASED.value,
        "mode": now.mode if now else switch.mode,
        "sequence": now.sequence if now else 0,
    }
    return known | ({"share": now.share} if now is not None and now.share is not None else {})
