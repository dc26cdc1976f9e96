"""OFREP 0.3.0: any OpenFeature SDK can read a kill switch. What cannot be known is an error, so that the client's
own default counts."""

import hashlib
from typing import Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.errors import DependencyError
from monitor.web.answers import answer
from monitor.web.board import Switchboard
from monitor.web.flags import Context, Flags, NotEvaluated

PATH: Final = "/ofrep/v1/evaluate/flags"
UNKNOWN: Final = "the ledger cannot be read, so the state of the kill switches is not known"


def ofrep_routes(board: Switchboard) -> list[Route]:
    """Evaluate one flag, or all of them."""

    async def one(request: Request) -> Response:
        key = request.path_params["key"]
        try:
            context = _context(await request.body())
            flags = Flags(await run_in_threadpool(board.now))
            return answer(flags.evaluate(key, context))
        except NotEvaluated as error:
            status = 404 if error.code == "FLAG_NOT_FOUND" else 400
            return answer({"key": key, **_error(error)}, status)
        except DependencyError:
            return answer({"key": key, "errorCode": "GENERAL", "errorDetails": UNKNOWN}, 500)

    async def every(request: Request) -> Response:
        try:
            context = _context(await request.body())
            flags = Flags(await run_in_threadpool(board.now))
        except NotEvaluated as error:
            return answer(_error(error), 400)
        except DependencyError:
            return answer({"errorDetails": UNKNOWN}, 500)
        found = {"flags": [_evaluated(flags, key, context) for key in flags.names()], "metadata": {}}
        tag = f'"{hashlib.sha256(msgspec.json.encode(found)).hexdigest()[:32]}"'
        if tag in [each.strip() for each in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers={"etag": tag})
        return answer(found, headers={"etag": tag})

    return [
        Route(PATH, every, methods=["POST"]),
        Route(f"{PATH}/{{key}}", one, methods=["POST"]),
    ]


def _evaluated(flags: Flags, key: str, context: Context) -> dict[str, Any]:
    try:
        return flags.evaluate(key, context)
    except NotEvaluated as error:
        return {"key": key, **_error(error)}


def _error(error: NotEvaluated) -> dict[str, str]:
    return {"errorCode": error.code, "errorDetails": error.details}


def _context(body: bytes) -> Context:
    """The evaluation context; an empty body has none. Clients often leave out the targetingKey."""
    if not body.strip():
        return {}
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise NotEvaluated("PARSE_ERROR", "the body is not JSON") from None
    context = request.get("context") if isinstance(request, dict) else None
    if not isinstance(request, dict) or not isinstance(context, dict | None):
        raise NotEvaluated("INVALID_CONTEXT", 'the body must be an object such as {"context": {}}')
    return context or {}
