"""Slack, by incoming webhook or web API: three blocks at most, within Slack's limits, and the same as text."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from monitor.config.receiver_kinds import SLACK_API
from monitor.errors import UsageError
from monitor.ledger.wording import MARK
from monitor.notify.delivery import Delivery, Taken
from monitor.notify.hiding import of_address
from monitor.notify.http import Http, Reply
from monitor.notify.message import Command, Message, compose

SECTION: Final = 3_000
FALLBACK: Final = 4_000
# Of what a context element may hold; all blocks together stay far below Slack's 13,200 characters.
CONTEXT: Final = 2_000

# What Slack calls errors that pass; all others mean that the same message will not be taken later either.
PASSING: Final = frozenset(
    {
        "ratelimited",
        "rate_limited",
        "message_limit_exceeded",
        "internal_error",
        "fatal_error",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
        "accesslimited",
        "rollup_error",
    }
)
_NO_THREAD: Final = frozenset({"thread_not_found", "cannot_reply_to_message", "message_not_found"})

_CUT_ENTITY: Final = re.compile(r"&[a-z]{0,3}$")
_SAFE_IN_LINKS: Final = ":/?#[]@!$&'()*+,;=%~-._"


class Slack:
    """Sends to one incoming webhook, or with a token to one channel, where an incident is one thread.

    A webhook's answer is HTTP 200 with the body `ok` and nothing else; that of the web API says `"ok": true`.
    """

    def __init__(self, settings: Mapping[str, Any], env: str) -> None:
        self._url, self._token = settings.get("url", ""), settings.get("token", "")
        self._channel = settings.get("channel", "")
        self._api = settings.get("api_url", SLACK_API).rstrip("/") + "/chat.postMessage"
        if not self._url and not (self._token and self._channel):
            raise UsageError("url is missing, or token and channel")
        secrets = of_address(self._url) if self._url else {self._token}
        self._http = Http(secrets, ca_file=settings.get("ca_file"))

    def send(self, delivery: Delivery) -> Taken:
        """Post the message and return Slack's answer; raises DeliveryError."""
        told = body(delivery.event, delivery.payload)
        return self._post(told) if self._url else self._post_in_thread(told, delivery)

    def close(self) -> None:
        self._http.close()

    def _post(self, told: dict[str, Any]) -> Taken:
        reply = self._http.post(self._url, msgspec.json.encode(told))
        if reply.status != 200:
            raise reply.refusal(permanent=False if reply.body.strip() in PASSING else None)
        if reply.body != "ok":
            raise reply.refusal(permanent=False, why="Slack answers `ok`")
        return Taken(reply.shown)

    def _post_in_thread(self, told: dict[str, Any], delivery: Delivery) -> Taken:
        """Where the thread is gone, the message stands for itself."""
        place = in_thread(delivery) or {"channel": self._channel}
        answer, reply = self._called(told | place)
        if answer.error in _NO_THREAD and "thread_ts" in place:
            answer, reply = self._called(told | {"channel": place["channel"]})
        if not answer.ok:
            said_no = reply.status == 200 and answer.error != ""
            final = answer.error not in PASSING and (said_no or not reply.passing)
            raise reply.refusal(permanent=final)
        return Taken(reply.shown, {"channel": answer.channel or self._channel, "ts": answer.ts})

    def _called(self, told: dict[str, Any]) -> "tuple[_Answer, Reply]":
        headers = {
            "authorization": f"Bearer {self._token}",
            "content-type": "application/json; charset=utf-8",
        }
        reply = self._http.post(self._api, msgspec.json.encode(told), headers)
        try:
            answer = msgspec.json.decode(reply.body, type=_Answer)
        except msgspec.DecodeError:
            answer = _Answer()
        return (answer if reply.status == 200 else _Answer(error=answer.error)), reply


class _Answer(msgspec.Struct, frozen=True):
    """What the web API says."""

    ok: bool = False
    error: str = ""
    ts: str = ""
    channel: str = ""


def in_thread(delivery: Delivery) -> dict[str, Any]:
    """Where an incident's later messages go; what is urgent or ends it is shown in the channel as well."""
    if not delivery.first.get("ts"):
        return {}
    shown = delivery.event != "acknowledged"
    return {
        "channel": delivery.first["channel"],
        "thread_ts": delivery.first["ts"],
        "reply_broadcast": shown,
    }


def body(event: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of one message."""
    message = compose(event, payload)
    return {
        "text": escaped(f"{message.headline}\n{message.story}", FALLBACK),
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": _blocks(message),
    }


def _blocks(message: Message) -> list[dict[str, Any]]:
    top = f"*{escaped(message.headline, 1_000)}*"
    story = escaped(message.story, SECTION - len(top) - 1)
    blocks = [_section(f"{top}\n{story}" if story else top)]
    links = _links(message)
    context = escaped(" · ".join(message.context), CONTEXT - len(links) - 3)
    line = " · ".join(part for part in (context, links) if part)
    if line:
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": line}]})
    typed = "\n".join(map(_typed, message.commands))
    return [*blocks, _section(typed)] if typed else blocks


def _typed(command: Command) -> str:
    shown = escaped(command.typed.replace("`", "'"), 400)
    return f"{command.lead}`{shown}`"


def _links(message: Message) -> str:
    """The links in mrkdwn; what is too long to be one is left out."""
    shown = [f"<{quote(to, safe=_SAFE_IN_LINKS)}|{escaped(label, 60)}>" for label, to in message.links]
    return " · ".join(link for link in shown if len(link) <= CONTEXT // 4)


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def escaped(text: str, length: int) -> str:
    """`text` as Slack's mrkdwn without control sequences, at most `length` characters after escaping."""
    shown = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    if len(shown) <= length:
        return shown
    return _CUT_ENTITY.sub("", shown[: max(0, length - len(MARK))]) + MARK
