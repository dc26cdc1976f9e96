"""Slack incoming webhooks: three blocks at most, each within Slack's limits, and the same as plain text."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from monitor.ledger.wording import MARK
from monitor.notify.delivery import Delivery
from monitor.notify.http import Http
from monitor.notify.message import Message, compose

SECTION: Final = 3_000
FALLBACK: Final = 4_000
# Of what a context element may hold; all blocks together stay far below Slack's 13,200 characters.
CONTEXT: Final = 2_000

_CUT_ENTITY: Final = re.compile(r"&[a-z]{0,3}$")
_SAFE_IN_LINKS: Final = ":/?#[]@!$&'()*+,;=%~-._"


class Slack:
    """Sends to one incoming webhook; taken is HTTP 200 with the body `ok` and nothing else."""

    def __init__(self, settings: Mapping[str, str], env: str) -> None:
        self._url = settings["url"]
        self._http = Http([self._url])

    def send(self, delivery: Delivery) -> str:
        """Post the message and return Slack's answer; raises DeliveryError."""
        reply = self._http.post(self._url, msgspec.json.encode(body(delivery.event, delivery.payload)))
        if reply.status != 200:
            raise reply.refusal()
        if reply.body != "ok":
            raise reply.refusal(permanent=False, why="Slack answers `ok`")
        return reply.shown

    def close(self) -> None:
        self._http.close()


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
    typed = [escaped(command.replace("`", "'"), 400) for command in message.commands]
    return [*blocks, _section("\n".join(f"`{command}`" for command in typed))] if typed else blocks


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
