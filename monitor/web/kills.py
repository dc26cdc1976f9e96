"""`POST /api/kill/{switch}/trip|release`: what the command line does, for programs. Audited with who asked."""

from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.config.model import KillSwitch
from monitor.errors import DependencyError
from monitor.killswitch.change import KillOutcome
from monitor.web.answers import answer, refusal
from monitor.web.board import Switchboard

REASON: Final = 2_000
NAME: Final = 200
NOBODY_MAY: Final = "this needs http.token in alerts.yaml: set one, or use `tocsin kill`"
_SHAPE: Final = 'write {"reason": "...", "by": "...", "stream": "..."}, the last two may be left out'


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body: why, who says so, and which of its states, of a switch with `per`."""

    reason: str
    by: str = ""
    stream: str = ""


def kill_routes(board: Switchboard, *, token: bool) -> list[Route]:
    """Trip and release; without a token nobody may, since a page in a browser could ask too."""

    async def change(request: Request) -> Response:
        if not token:
            return refusal(NOBODY_MAY, 403)
        switch = board.switches.get(request.path_params["switch"])
        if switch is None:
            return refusal("there is no kill switch of that name", 404)
        asked = _asked(await request.body(), switch)
        if isinstance(asked, str):
            return refusal(asked, 400)
        act = board.trip if request.path_params["action"] == "trip" else board.release
        actor = f"http: {asked.by}" if asked.by else "http"
        try:
            outcome = await run_in_threadpool(act, switch, asked.stream, asked.reason, actor)
        except DependencyError:
            return refusal("the ledger cannot be written, so nothing was changed: try again", 503)
        return answer(_told(switch, asked, outcome))

    path = "/api/kill/{switch:path}/"
    return [_route(path, action, change) for action in ("trip", "release")]


def _route(path: str, action: str, change: Any) -> Route:
    async def acting(request: Request) -> Response:
        request.path_params["action"] = action
        response: Response = await change(request)
        return response

    return Route(path + action, acting, methods=["POST"], name=action)


def _asked(body: bytes, switch: KillSwitch) -> Asked | str:
    """What the body asks for, or what is wrong with it."""
    try:
        asked = msgspec.json.decode(body, type=Asked)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return f"the body is not as it must be: {_SHAPE}"
    return checked(asked, switch)


def checked(asked: Asked, switch: KillSwitch) -> Asked | str:
    """What is asked of `switch`, or what is wrong with it."""
    reason = asked.reason.strip()
    if not 0 < len(reason) <= REASON or not all(t.isprintable() for t in (reason, asked.by, asked.stream)):
        return f"reason must be 1 to {REASON} characters, and nothing may be unprintable"
    if len(asked.by) > NAME or len(asked.stream) > REASON:
        return "by or stream is too long"
    if bool(switch.per) != bool(asked.stream):
        return (
            f"{switch.name} has a state for each {' and '.join(switch.per)}: say which with stream"
            if switch.per
            else f"{switch.name} has one state for all streams: leave out stream"
        )
    return msgspec.structs.replace(asked, reason=reason)


def _told(switch: KillSwitch, asked: Asked, outcome: KillOutcome) -> dict[str, Any]:
    return {
        "switch": switch.name,
        "stream": asked.stream,
        "action": outcome.action.value,
        "changed": outcome.new,
        "sequence": outcome.sequence,
        "kill_id": outcome.kill_id,
    }
