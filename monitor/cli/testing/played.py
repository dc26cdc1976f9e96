"""The incidents of one test, kept as the ledger keeps its rows, and what receivers were told of them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from monitor.cli.testing.story import Incident, News, Story
from monitor.config.rule import Rule, Severity
from monitor.judge.standing import Mark, Message, Standing, Step, severest_first
from monitor.ledger.facts import Facts, facts_of
from monitor.ledger.incidents import measured
from monitor.ledger.moments import moment, rfc3339
from monitor.ledger.outbox import Addressee
from monitor.ledger.silences import Silence
from monitor.notify.message import compose

_KEPT: Final = ("incident_id", "onset_at", "detected_at", "state", "config_hash", "historical", "dry_run")


@dataclass(slots=True)
class PlayedIncidents:
    """`Incidents` of a test at `now_ms`: rows by id, with times as ms. Nobody silences or acknowledges anything."""

    rules: Mapping[str, Rule]
    story: Story
    now_ms: int = 0
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    heard: dict[str, dict[Addressee, None]] = field(default_factory=dict)

    def find(self, rule: str, stream: str, signal: str | None, slice_id: int) -> str | None:
        """The id of the one that fires, if any."""
        wanted = (rule, stream, signal, slice_id, "firing")
        return next((i for i, row in self.rows.items() if (*_about(row), row["state"]) == wanted), None)

    def open(self, row: Mapping[str, Any]) -> bool:
        """Open one; False, and nothing is changed, where its id is there already."""
        found = str(row["incident_id"])
        if found in self.rows:
            return False
        self.rows[found] = {**row, "group_id": None, "held_back": None, "notified_ms": None, "reopened": 0}
        incident = Incident(found, self._rule(row), facts_of(row["facts"]), [])
        self.story.incidents[found] = incident
        self._step(found)
        return True

    def reopen(self, row: Mapping[str, Any], ended_after_ms: int) -> str | None:
        """Let the newest that `row` would be another of fire on, if it resolved later than that; returns its id."""
        same = [r for r in self.rows.values() if _about(r) == _about(row) and r["state"] == "resolved"]
        late = [r for r in same if r["ended_at"] >= ended_after_ms]
        if not late:
            return None
        again = max(late, key=lambda r: int(r["ended_at"]))
        fresh = {name: value for name, value in row.items() if name not in _KEPT}
        again |= {**fresh, "state": "firing", "resolved_at": None, "reopened": again["reopened"] + 1}
        self._step(again["incident_id"])
        return str(again["incident_id"])

    def escalate(self, incident_id: str, facts: Facts) -> bool:
        """Raise its severity to that of `facts`; False unless that is higher."""
        if Severity(facts.severity).rank <= Severity(self.rows[incident_id]["severity"]).rank:
            return False
        self.rows[incident_id] |= measured(facts)
        self._step(incident_id)
        return True

    def refresh(self, incident_id: str, facts: Facts) -> bool:
        """Store newer figures at the same severity."""
        if facts.severity != self.rows[incident_id]["severity"]:
            return False
        self.rows[incident_id] |= measured(facts)
        return True

    def resolve(self, incident_id: str, detail: str, *, ended_ms: int) -> bool:
        """End it because its evidence says so."""
        return self._end(incident_id, "resolved", ended_ms)

    def expire(self, incident_id: str, detail: str) -> bool:
        """End it because its rule is gone."""
        return self._end(incident_id, "expired", None)

    def _end(self, incident_id: str, state: str, ended_ms: int | None) -> bool:
        self.rows[incident_id] |= {"state": state, "resolved_at": self.now_ms, "ended_at": ended_ms}
        self.story.incidents[incident_id].steps.append((self.now_ms, None))
        return True

    def standing(self, ids: Iterable[str]) -> list[Standing]:
        """Some of them, the severest first."""
        return severest_first(_standing(self.rows[incident_id]) for incident_id in ids)

    def firing(self) -> tuple[Standing, ...]:
        """All that fire, oldest first."""
        return tuple(one for one in map(_standing, self.rows.values()) if one.fires)

    def late(self) -> list[Standing]:
        """A test is judged at its own time: nothing is found late."""
        return []

    def told(self, page: str) -> Sequence[Addressee]:
        """Who has been told anything about the incidents of a page."""
        leader = self.rows[page]["group_id"] or page
        about = [i for i, row in self.rows.items() if i in (page, leader) or row["group_id"] == leader]
        return sorted({receiver for found in about for receiver in self.heard.get(found, ())})

    def silences(self, now_ms: int) -> tuple[Silence, ...]:
        """Nobody silences anything."""
        return ()

    def write(self, steps: Iterable[Step]) -> None:
        """Carry out what telling has decided."""
        for step in steps:
            if isinstance(step, Mark):
                self.rows[step.incident_id] |= step.values
            elif isinstance(step, Message) and not step.suppressed:
                self._send(step)

    def _send(self, message: Message) -> None:
        """Each incident of a page counts as told, in the words of the page."""
        row = self.rows[message.incident_id]
        text = compose(message.event, {**_json(row), **message.extra}).text
        for receiver in message.to:
            self.heard.setdefault(message.incident_id, {})[receiver] = None
            for about in (row, *message.extra.get("also", ())):
                news = News(self.now_ms, receiver.name, message.event, about["rule"], text)
                self.story.news.append(news)

    def _step(self, incident_id: str) -> None:
        row, incident = self.rows[incident_id], self.story.incidents[incident_id]
        incident.facts = facts_of(row["facts"])
        incident.steps.append((self.now_ms, row["severity"]))

    def _rule(self, row: Mapping[str, Any]) -> Rule:
        mine = (r for r in self.rules.values() if r.name == row["rule"])
        return next(r for r in mine if r.match.accepts(row["labels"]))


def _about(row: Mapping[str, Any]) -> tuple[str, str, str | None, int]:
    return row["rule"], row["stream"], row["signal"], row["slice_id"]


def _json(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as a message gets it."""
    return {k: rfc3339(moment(v)) if k.endswith("_at") and v is not None else v for k, v in row.items()}


def _standing(row: Mapping[str, Any]) -> Standing:
    return Standing(
        incident_id=row["incident_id"],
        rule=row["rule"],
        stream=row["stream"],
        signal=row["signal"],
        severity=Severity(row["severity"]),
        labels=row["labels"],
        summary=row["summary"],
        onset_ms=row["onset_at"],
        fires=row["state"] == "firing",
        dry_run=row["dry_run"],
        reopened=row["reopened"],
        group_id=row["group_id"],
        held_back=row["held_back"],
        notified_ms=row["notified_ms"],
    )
