"""A silence as people write it: `model=chat-eu`, for `2h`."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from monitor.config.matchers import read_globs
from monitor.config.model import Config
from monitor.config.mutes import OF_INCIDENT
from monitor.config.never import RESERVED
from monitor.config.problem import meant
from monitor.config.rule import Match, Severity, accepts
from monitor.config.values import milliseconds
from monitor.errors import UsageError
from monitor.judge.ledger_incidents import LedgerIncidents
from monitor.ledger import silences

LONGEST_MS: Final = 30 * 86_400_000


@dataclass(frozen=True, slots=True)
class Begun:
    """A silence that was added, and how many incidents that fire now it holds for."""

    silence_id: str
    holds_for: int


def begin(
    conn: Connection, match: Mapping[str, tuple[str, ...]], *, for_ms: int, author: str, reason: str
) -> Begun:
    """Add a silence of what `matched` made."""
    made = silences.add(conn, match, for_ms=for_ms, author=author, reason=reason)
    held = Match(match)
    return Begun(made, sum(held.accepts(one.words) for one in LedgerIncidents(conn).firing()))


def matched(pairs: Sequence[str], settings: Config) -> dict[str, tuple[str, ...]]:
    """The globs of each label of `LABEL=GLOB,GLOB` words; raises UsageError in one sentence."""
    known = (*settings.streams.labels, *OF_INCIDENT)
    found: dict[str, tuple[str, ...]] = {}
    for pair in pairs:
        label, equals, globs = pair.partition("=")
        if not equals or not globs:
            raise UsageError(
                f"{pair} is no label with a value: write {known[0]}=NAME, in quotes where it has spaces"
            )
        if label not in known:
            raise UsageError(f"{label} is not a label: {meant(label, known)}")
        if label in found:
            raise UsageError(f"{label} is there twice: write {label}={','.join(found[label])},{globs}")
        found[label] = read_globs(globs)
        if not all(found[label]):
            raise UsageError(f"{pair} has an empty value: remove the comma")
    _refuse_unknown("rule", found, {rule.name for rule in settings.rules})
    _refuse_unknown("severity", found, set(Severity))
    return found


def length_ms(text: str) -> int:
    """How long `2h` is; raises UsageError in one sentence."""
    try:
        length = milliseconds(text)
    except ValueError:
        raise UsageError(f"{text} is not a duration: write 30m, 2h or 3d") from None
    if not 0 < length <= LONGEST_MS:
        raise UsageError(f"{text} is out of range: at most 30d, or a mute in alerts.yaml")
    return length


def _refuse_unknown(word: str, found: Mapping[str, tuple[str, ...]], known: Collection[str]) -> None:
    """A silence of what there is not would leave the page that it was meant for."""
    globs = found.get(word, ())
    own = any(glob.startswith(RESERVED) for glob in globs)
    if globs and not own and not any(accepts(globs, value) for value in known):
        raise UsageError(
            f"no {word} is called {','.join(globs)}: {meant(globs[0], known) or 'see tocsin check'}"
        )
