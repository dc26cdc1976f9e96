"""What receivers must have heard in the end, held against what they did hear."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from alert_parties import Hook
from alert_world import World
from sqlalchemy import Row

Due = tuple[str, str]
"""An incident and a receiver that must hear of it."""
RECEIVERS = {
    "hot": {"warning": ["team"], "critical": ["team", "boss", "pager"]},
    "hotter": {"warning": ["team"], "critical": ["team", "boss", "pager"]},
    "held": {"critical": ["boss"]},
    "errors": {"critical": ["team", "pager"]},
    "silence": {"warning": ["team", "boss"]},
    "trial": {},
}


@dataclass
class Account:
    """Follows the ticks of the judge: who is due what by the silences that this test itself has set."""

    world: World
    silences: list[tuple[dict, int]] = field(default_factory=list)
    due: set[Due] = field(default_factory=set)
    known: set[str] = field(default_factory=set)

    def silenced(self, match: dict, until_ms: int) -> None:
        """From now on nobody is to be told of what matches, until then."""
        self.silences.append((match, until_ms))

    def ticked(self) -> None:
        """Whatever fires now, or opened and ended in this tick, and is not silenced, is to be told."""
        for row in self.world.incidents():
            fresh = row.incident_id not in self.known
            self.known.add(row.incident_id)
            if (fresh or row.state == "firing") and self._is_to_be_told(row):
                self.due |= {(row.incident_id, name) for name in RECEIVERS[row.rule].get(row.severity, ())}

    def _is_to_be_told(self, row: Row) -> bool:
        dry_run = row.dry_run or (row.rule == "hot" and self.world.variant == "a dry run")
        if dry_run or row.historical or row.reopened:
            return False
        now_ms = self.world.ingest_ms
        return not any(until_ms > now_ms and _matches(match, row) for match, until_ms in self.silences)

    def differences(self) -> list[str]:
        """Everything that is not as promised; to be asked once all has come to rest."""
        rows = {row.incident_id: row for row in self.world.incidents()}
        found = [f"{row.rule} on {row.stream} fires" for row in rows.values() if row.state == "firing"]
        for name, hook in (("team", self.world.parties.team), ("boss", self.world.parties.boss)):
            found += self._of_hook(name, hook, rows)
        return found + list(self._of_pager(rows)) + list(self._of_service())

    def _of_hook(self, name: str, hook: Hook, rows: dict[str, Row]) -> Iterator[str]:
        stories = mentions(hook)
        for found, row in rows.items():
            about = f"{name}: {row.rule} on {row.stream} ({found})"
            story = stories[found]
            if row.historical:
                continue
            if row.dry_run and story:
                yield f"{about} is a dry run, but {story}"
            if (found, name) in self.due and not ({"opened", "escalated"} & set(story)):
                yield f"{about} was never announced: {story}"
            yield from (f"{about}: {why}: {story}" for why in mistakes(story, row.reopened + 1))

    def _of_pager(self, rows: dict[str, Row]) -> Iterator[str]:
        pager = self.world.parties.pager
        yield from (f"pager: {key} is open" for key in pager.open)
        for found, name in self.due:
            key = f"test/{rows[found].group_id or found}"
            if name == "pager" and not rows[found].historical and key not in pager.opened:
                yield f"pager: {key} was never triggered"

    def _of_service(self) -> Iterator[str]:
        last = {row.lane: row.state for row in self.world.deliveries() if row.kind == "kill"}
        for row in self.world.switch_states():
            heard = self.world.parties.service.states.get(row.stream, (0, "released"))[1]
            if last[f"switch/chat/{row.stream}"] != "expired" and heard != row.state:
                yield f"service: {row.stream} is {row.state}, but the receiver has {heard}"


def _matches(match: dict, row: Row) -> bool:
    words = {"rule": row.rule, "stream": row.stream, "severity": row.severity, **row.labels}
    return all(words[word] in values for word, values in match.items())


def mentions(hook: Hook) -> dict[str, list[str]]:
    """The events of every incident in the order in which they arrived, also as one of several of a page."""
    found = defaultdict(list)
    for body in hook.messages.values():
        event, data = body["type"].split(".")[1], body["data"]
        if event not in ("released", "probing"):
            for one in (data, *data.get("also", ())):
                found[one["incident_id"]].append(event)
    return found


def mistakes(story: list[str], most: int) -> Iterator[str]:
    """What is wrong with the events of one incident at one receiver, which may open `most` times.

    What has ended and came back under a silence is heard of where it trips a switch, and then its end is told again.
    """
    opened, fires, tripped = 0, False, False
    for event in story:
        if event == "tripped":
            tripped = True
            continue
        if event == "opened" or (event == "escalated" and not fires):
            if fires:
                yield "announced twice"
            opened, fires = opened + 1, True
        elif event == "resolved":
            if opened and not fires and not tripped:
                yield "ended twice"
            fires = tripped = False
        elif opened and not fires:
            yield f"{event} after its end"
    if fires:
        yield "its end was never told"
    if opened > most:
        yield "announced more often than it fired"
