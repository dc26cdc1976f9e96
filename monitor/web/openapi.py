"""What programs are answered, as OpenAPI 3.1: every status that a request can get is in it."""

from typing import Any, Final


def _text(description: str, **limits: int) -> dict[str, Any]:
    return {"type": "string", **limits, "description": description}


_ERROR: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["errorDetails"],
    "properties": {"errorDetails": _text("what was wrong"), "errorCode": _text("OFREP's word for it")},
}
_EVALUATION: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["key", "value", "reason", "variant", "metadata"],
    "properties": {
        "key": _text("the flag"),
        "value": {"type": ["boolean", "string"], "description": "what the caller obeys"},
        "reason": {
            "enum": ["STATIC", "TARGETING_MATCH", "SPLIT"],
            "description": "SPLIT while a probe lets a share through, TARGETING_MATCH where the context chose it",
        },
        "variant": _text("a name for the value"),
        "metadata": {
            "type": "object",
            "description": "the switch and its state",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        },
    },
}
_FAILED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["key", "errorCode", "errorDetails"],
    "properties": {"key": _text("the flag"), **_ERROR["properties"]},
}
_FLAGS: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["flags", "metadata"],
    "properties": {
        "flags": {
            "type": "array",
            "items": {"anyOf": [_EVALUATION, _FAILED]},
            "description": "each as it is told alone, or with `errorCode` and `errorDetails`",
        },
        "metadata": {"type": "object", "description": "empty"},
    },
}
_CHANGED: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["switch", "stream", "action", "changed", "sequence", "kill_id"],
    "properties": {
        "switch": _text("the switch"),
        "stream": _text("which of its states, of one with `per`, else empty"),
        "action": {
            "enum": ["tripped", "released", "already"],
            "description": "`already` where it was so before",
        },
        "changed": {"type": "boolean", "description": "whether this request changed it"},
        "sequence": {"type": "integer", "description": "grows with every change of the switch"},
        "kill_id": {
            "type": ["string", "null"],
            "description": "the change in `tocsin.kill_events`, null where there was none",
        },
    },
}
_CONTEXT: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "context": {
            "type": ["object", "null"],
            "description": "of one with `per` the labels, such as `model`; of a probe the `targetingKey`",
        }
    },
}
_CHANGE: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["reason"],
    "additionalProperties": False,
    "properties": {
        "reason": _text("why; goes to the service, the timeline and the audit", minLength=1, maxLength=2000),
        "by": _text("who asks, for the audit", maxLength=200),
        "stream": _text(
            "which of its states, of a switch with `per`: the value of its labels", maxLength=2000
        ),
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
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            }
        },
        "security": [{"bearer": []}, {"key": []}],
        "paths": {
            "/healthz": {"get": _probe("alive")},
            "/readyz": {"get": _probe("ready")},
            "/metrics": {"get": _page("metrics", _METRICS, {"500": "The status cannot be read."})},
            "/openapi.json": {"get": _page("document", _DOCUMENT, {})},
            flags: {"post": bulk},
            f"{flags}/{{key}}": {"post": one},
            **changes,
        },
    }


_SUMMARIES: Final = {
    "alive": "Whether the process works. Where it does not, restart it.",
    "ready": "Whether it can do its work: Postgres, Kafka and schema registries answer.",
    "metrics": "Metrics in Prometheus's text format, or OpenMetrics where `Accept` asks for it.",
    "document": "This interface as OpenAPI 3.1.",
    "evaluateFlags": "All kill switches as flags, as OFREP 0.3.0 has it.",
    "evaluateFlag": "One flag. `<switch>.enabled` is true while the model may serve; `<switch>.serve` is `normal`, "
    "`off`, or what to serve instead. Characters outside `[A-Za-z0-9._-]` are `_` in it.",
    "trip": "Trip a kill switch, as `tocsin kill trip` does.",
    "release": "Release a kill switch, as `tocsin kill release` does.",
}
_DOCUMENT: Final = {"application/json": {"schema": {"type": "object"}}}
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
        "summary": _SUMMARIES[name],
        "parameters": [
            {"name": p, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for p in parameters
        ],
        "requestBody": {"required": "required" in body, "content": {"application/json": {"schema": body}}},
        "responses": {"200": _described("Done.", good), **refused},
    }


def _probe(name: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": [name, "parts", "missing"],
        "properties": {
            name: {"type": "boolean", "description": "whether nothing is missing"},
            "parts": {"type": "array", "items": {"type": "string"}, "description": "what was looked at"},
            "missing": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "what of it does not work, and why",
            },
        },
    }
    return {
        "operationId": name,
        "summary": _SUMMARIES[name],
        "security": [],
        "responses": {"200": _described("Yes.", schema), "503": _described("No, and why.", schema)},
    }


def _page(name: str, content: dict[str, Any], also: dict[str, str]) -> dict[str, Any]:
    refused = {code: _REFUSED[code] for code in ("401", "429")} | also
    return {
        "operationId": name,
        "summary": _SUMMARIES[name],
        "responses": {
            "200": {"description": "The page.", "content": content},
            **{code: _described(words, _ERROR) for code, words in refused.items()},
        },
    }


def _described(words: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}
