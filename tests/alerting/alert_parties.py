"""Receivers as far as HTTP: they fail as they are told to, and remember what a deduplicating receiver would."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from unittest.mock import patch

import httpx
import msgspec


class Answer(StrEnum):
    """What becomes of a request: whether it is taken, and what the sender sees of that."""

    FINE = "fine"
    BUSY = "429"
    BROKEN = "500"
    HANGS = "hangs"
    TAKEN_AND_HANGS = "taken, and hangs"
    CUT = "cut"
    TAKEN_AND_CUT = "taken, and cut"


TAKEN = (Answer.FINE, Answer.TAKEN_AND_HANGS, Answer.TAKEN_AND_CUT)


@dataclass
class Hook:
    """A webhook's receiver: each id counts once, in the order of arrival."""

    messages: dict[str, dict] = field(default_factory=dict)

    def take(self, request: httpx.Request) -> None:
        self.messages.setdefault(request.headers["webhook-id"], msgspec.json.decode(request.content))


@dataclass
class Pager:
    """PagerDuty: one alert a key; a trigger after its end is another."""

    open: set[str] = field(default_factory=set)
    opened: list[str] = field(default_factory=list)

    def take(self, request: httpx.Request) -> None:
        event = msgspec.json.decode(request.content)
        key, action = event["dedup_key"], event["event_action"]
        if action == "trigger" and key not in self.open:
            self.open.add(key)
            self.opened.append(key)
        elif action == "resolve":
            self.open.discard(key)


@dataclass
class Service:
    """What obeys a kill switch: the state with the highest sequence number, by stream."""

    states: dict[str, tuple[int, str]] = field(default_factory=dict)

    def take(self, request: httpx.Request) -> None:
        data = msgspec.json.decode(request.content)["data"]
        newer = data["sequence"] > self.states.get(data["stream"], (0, ""))[0]
        if newer:
            self.states[data["stream"]] = (data["sequence"], data["state"])


@dataclass
class Parties:
    """All of them; `answer` is what the next requests meet, `sent` what the network may carry twice."""

    team: Hook = field(default_factory=Hook)
    boss: Hook = field(default_factory=Hook)
    pager: Pager = field(default_factory=Pager)
    service: Service = field(default_factory=Service)
    answer: Answer = Answer.FINE
    sent: list[httpx.Request] = field(default_factory=list)

    def again(self, number: int) -> None:
        """The network carries a request that was taken once more."""
        if self.sent:
            self._take(self.sent[number % len(self.sent)])

    def handle(self, request: httpx.Request) -> httpx.Response:
        request.read()
        if self.answer in TAKEN:
            self.sent.append(request)
            self._take(request)
        match self.answer:
            case Answer.HANGS | Answer.TAKEN_AND_HANGS:
                raise httpx.ReadTimeout("", request=request)
            case Answer.CUT | Answer.TAKEN_AND_CUT:
                raise httpx.RemoteProtocolError("", request=request)
            case Answer.BUSY:
                return httpx.Response(429, headers={"retry-after": "20"}, request=request)
            case Answer.BROKEN:
                return httpx.Response(500, request=request)
        if request.url.path == "/pager":
            return httpx.Response(202, json={"status": "success"}, request=request)
        return httpx.Response(204, request=request)

    def _take(self, request: httpx.Request) -> None:
        getattr(self, request.url.path[1:]).take(request)


@contextmanager
def at_the_other_end(parties: Parties) -> Iterator[None]:
    """Whatever is sent by HTTP meets `parties`."""
    with patch.object(
        httpx.HTTPTransport, "handle_request", lambda transport, request: parties.handle(request)
    ):
        yield
