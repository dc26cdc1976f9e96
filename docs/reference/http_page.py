"""The page of the HTTP interface, made of its OpenAPI document, and of the pages for people."""

from collections.abc import Iterator, Mapping, Set
from http import HTTPStatus
from typing import Any, Final

from markdown.extensions.toc import slugify

from monitor.web.openapi import openapi
from monitor.web.protect import BODY_S, MOST_BYTES, Rate
from monitor.web.server import MOST_CONNECTIONS

_INTRO: Final = """# HTTP

`tocsin run` serves all of it on one port, {port} of this machine alone unless [`http`](alerts-yaml.md#http) says
otherwise. This page is made of the document that `/openapi.json` serves.

**The token.** Where `http.token` is set, callers send it as `Authorization: Bearer ...` or as `X-API-Key: ...`. An
address that other machines can reach needs one, or Tocsin does not start. The two probes never ask for it. Without a
token kill switches cannot be changed here, since a page in a browser could ask too.

**Limits.** Of one address {rate:g} requests a second, and {burst:g} at once; the probes are not counted. A body may
have
{kib} KiB, and {body:g} seconds to come. Of more than {connections} connections at once further ones are told 503.

**Errors** are JSON, `{{"errorDetails": "..."}}`, with a sentence of what was wrong. What is not there is 404, another
method 405.

## For programs

<div class="names" markdown>

| request | token | what it is |
|---|---|---|
{overview}
</div>
"""
_TABLE: Final = """<div class="names" markdown>

| {name} | value | meaning |
|---|---|---|
{rows}
</div>
"""
_EXAMPLE: Final = """
## By curl

```console
curl -s http://127.0.0.1:9844/readyz
curl -s -H "Authorization: Bearer $TOCSIN_TOKEN" -X POST http://127.0.0.1:9844/ofrep/v1/evaluate/flags/chat.serve \\
  -d '{"context": {"targetingKey": "user-7"}}'
curl -s -H "Authorization: Bearer $TOCSIN_TOKEN" -X POST http://127.0.0.1:9844/api/kill/chat/trip \\
  -d '{"reason": "it answers nonsense", "by": "ann"}'
```
"""
_PEOPLE: Final = """
## For people

[The status page](../status-page.md) and what it leads to. With a token one signs in at `/login`: a browser that has
not is led there (303), anything else is told 401. Without a token they are for this machine alone, by `127.0.0.1` or
`localhost` (else 403), and for reading.

<div class="names" markdown>

| page | what it is |
|---|---|
"""
_FORMS: Final = """
</div>

Forms are shown by GET and take effect by POST, for who has signed in. A form that another site sent is refused with
403. Where Postgres does not answer, pages are 503 with what the process knows by itself.
"""
PAGES: Final[Mapping[str, str]] = {
    "/": "the status page: what fires, kill switches, streams, messages, and Tocsin itself",
    "/streams": "all streams",
    "/streams/{stream}": "every signal of a stream, with its reference and limits",
    "/charts/{stream}/{signal}.svg": "one of its plots; `?size=small` for a small one",
    "/incidents": "all incidents, also those that are over, by filters",
    "/incidents/{incident}": "an incident's report, and what can be done about it",
    "/incidents/{incident}/signal.svg": "the plot in it",
    "/incidents/{incident}/report.html": "the same report as one file",
    "/incidents/{incident}/acknowledge": "form: acknowledge it, say what it turned out to be",
    "/incidents/{incident}/accept": "form: it is meant to be so",
    "/switches/trip": "form: trip a kill switch",
    "/switches/release": "form: release one",
    "/silences/add": "form: tell nobody of what matches",
    "/silences/{silence}/expire": "form: end a silence",
    "/review": "samples, one at a time; filters `stream`, `incident`, `why`, `marked`, and `sample` for one of them",
    "/review/samples.jsonl": "the same samples as JSON lines",
    "/samples/{sample}/mark": "form: mark a sample good or bad",
    "/login": "sign in with the token; five attempts at once from an address, then one every five seconds",
    "/logout": "sign out, by POST",
    "/static/{name}": "styles and scripts of the pages, without signing in",
}
"""All routes that the OpenAPI document leaves out, with what they are."""


def http() -> str:
    """The whole page."""
    document = openapi()
    found = [*_operations(document)]
    overview = "".join(
        f"| [`{method} {path}`](#{slugify(f'{method} {path}', '-')}) | {_token(each)} | {each['summary']} |\n"
        for method, path, each in found
    )
    return _intro(overview) + "".join(_section(*each) for each in found) + _EXAMPLE + _people()


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _intro(overview: str) -> str:
    rate = Rate()
    return _INTRO.format(
        port=9844,
        rate=rate.per_s,
        burst=rate.burst,
        kib=MOST_BYTES >> 10,
        body=BODY_S,
        connections=MOST_CONNECTIONS,
        overview=overview,
    )


def _token(operation: Mapping[str, Any]) -> str:
    """An operation has a `security` of its own where it needs nothing."""
    if operation.get("security") == []:
        return "no token"
    return "the token" if "403" in operation["responses"] else "the token, where there is one"


def _section(method: str, path: str, operation: Mapping[str, Any]) -> str:
    parts = [f"\n### `{method} {path}`\n\n{operation['summary']}\n"]
    if "requestBody" in operation:
        body = _schema(operation["requestBody"])
        optional = body["properties"].keys() - set(body.get("required", ()))
        parts.append(_object("in the body", body, optional))
    parts.append(_object("in the answer", _schema(operation["responses"]["200"])))
    return "\n".join([*filter(None, parts), _statuses(operation["responses"])])


def _statuses(answers: Mapping[str, Any]) -> str:
    rows = (
        f"| {code} {HTTPStatus(int(code)).phrase} | {each['description']} |\n"
        for code, each in sorted(answers.items())
    )
    return f"| status | when |\n|---|---|\n{''.join(rows)}"


def _schema(holder: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(iter(holder["content"].values()))["schema"]
    return found


def _object(name: str, schema: Mapping[str, Any], optional: Set[str] = frozenset()) -> str:
    rows = "".join(
        f"| `{key}` | {_kind(value)} | {value['description']}{'; optional' if key in optional else ''} |\n"
        for key, value in schema.get("properties", {}).items()
    )
    return _TABLE.format(name=name, rows=rows) if rows else ""


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    longest = f", at most {schema['maxLength']}" if "maxLength" in schema else ""
    return f"{' or '.join(types)}{longest}"


def _people() -> str:
    return _PEOPLE + "".join(f"| `{path}` | {what} |\n" for path, what in PAGES.items()) + _FORMS
