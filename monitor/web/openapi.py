"""What programs are answered, as OpenAPI 3.1: every status that a request can get is in it."""

from typing import Any, Final

_ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["errorDetails"],
    "properties": {"errorDetails": {"type": "string"}, "errorCode": {"type": "string"}},
}
_EVALUATION: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["key", "value", "reason", "variant", "metadata"],
    "properties": {
        "key": {"type": "string"},
        "value": {"type": ["boolean", "string"]},
        "reason": {"enum": ["STATIC", "TARGETING_MATCH", "SPLIT"]},
        "variant": {"type": "string"},
        "metadata": {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
    },
}
_FAILED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["key", "errorCode", "errorDetails"],
    "properties": {name: {"type": "string"} for name in ("key", "errorCode", "errorDetails")},
}
_FLAGS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["flags", "metadata"],
    "properties": {"flags": {"type": "array", "items": {"anyOf": [_EVALUATION, _FAILED]}}},
}
_CHANGED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["switch", "stream", "action", "changed", "sequence", "kill_id"],
    "properties": {
        "action": {"enum": ["tripped", "released", "already"]},
        "changed": {"type": "boolean"},
        "sequence": {"type": "integer"},
        "kill_id": {"type": ["string", "null"]},
    },
}
_CONTEXT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"context": {"type": ["object", "null"]}},
}
_CHANGE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["reason"],
    "additionalProperties": False,
    "properties": {
        "reason": {"type": "string", "minLength": 1, "maxLength": 2000},
        "by": {"type": "string", "maxLength": 200},
        "stream": {"type": "string", "maxLength": 2000},
    },
}
_REFUSED: Final = {
    "400": "The body or the context is not as it must be.",
    "401": "The token is missing or wrong.",
    "408": "The body did not come in time.",
    "413": "The body is too large.",
    "429": "Too many requests from this address; Retry-After says how long to wait.",
}


def openapi() -> dict[str, Any]:
    """The document for `/openapi.json`."""
    flags = "/ofrep/v1/evaluate/flags"
    changes = {
        f"/api/kill/{{switch}}/{action}": {
            "post": _post(action, _CHANGE, _CHANGED, ("switch",), {"403": "There is no http.token.", **_MORE})
        }
        for action in ("trip", "release")
    }
    bulk = _post("evaluateFlags", _CONTEXT, _FLAGS, (), {"500": _UNREAD})
    bulk["responses"]["304"] = {"description": "Nothing has changed since the ETag of If-None-Match."}
    one = _post(
        "evaluateFlag", _CONTEXT, _EVALUATION, ("key",), {"404": "There is no such flag.", "500": _UNREAD}
    )
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tocsin", "version": "1"},
        "components": {"securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}},
        "security": [{"bearer": []}],
        "paths": {
            "/healthz": {"get": _probe("alive")},
            "/readyz": {"get": _probe("ready")},
            "/metrics": {"get": _page("metrics", _METRICS, {"500": "The status cannot be read."})},
            "/openapi.json": {
                "get": _page("document", {"application/json": {"schema": {"type": "object"}}}, {})
            },
            flags: {"post": bulk},
            f"{flags}/{{key}}": {"post": one},
            **changes,
        },
    }


_UNREAD: Final = "The ledger cannot be read, so the state is not known."
_METRICS: Final = {
    kind: {"schema": {"type": "string"}} for kind in ("text/plain", "application/openmetrics-text")
}
_MORE: Final = {"404": "There is no such switch.", "503": "The ledger cannot be written."}


def _post(
    name: str, body: dict[str, Any], good: dict[str, Any], parameters: tuple[str, ...], also: dict[str, str]
) -> dict[str, Any]:
    refused = {code: _described(words, _ERROR) for code, words in sorted({**_REFUSED, **also}.items())}
    return {
        "operationId": name,
        "parameters": [
            {"name": p, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for p in parameters
        ],
        "requestBody": {"required": "required" in body, "content": {"application/json": {"schema": body}}},
        "responses": {"200": _described("Done.", good), **refused},
    }


def _probe(name: str) -> dict[str, Any]:
    schema = {"type": "object", "required": [name, "parts", "missing"]}
    return {
        "operationId": name,
        "security": [],
        "responses": {"200": _described("Yes.", schema), "503": _described("No, and why.", schema)},
    }


def _page(name: str, content: dict[str, Any], also: dict[str, str]) -> dict[str, Any]:
    refused = {code: _REFUSED[code] for code in ("401", "429")} | also
    return {
        "operationId": name,
        "responses": {
            "200": {"description": "The page.", "content": content},
            **{code: _described(words, _ERROR) for code, words in refused.items()},
        },
    }


def _described(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}
