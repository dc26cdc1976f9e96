"""JSON answers; every error says in `errorDetails` what was wrong."""

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.responses import Response


def answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`body` as JSON that no cache may keep."""
    kept = {"cache-control": "no-store", **(headers or {})}
    return Response(msgspec.json.encode(body), status, kept, "application/json")


def refusal(details: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """An error in one sentence."""
    return answer({"errorDetails": details}, status, headers)
