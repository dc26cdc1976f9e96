"""Records to review, one at a time: the newest that nobody has marked first."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
from sqlalchemy import Connection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from monitor.errors import UsageError
from monitor.ledger.reviewing import NOTE_CHARS, VERDICTS, Mark, mark_in
from monitor.ledger.samples import Wanted, as_object, queue, some
from monitor.records.allowance import WHYS
from monitor.web.pages.forms import Action, Asked, Done, Field, Form, Values
from monitor.web.pages.shell import HEADERS
from monitor.web.pages.site import Site

MOST_QUEUED: Final = 200
MOST_EXPORTED: Final = 1_000
FILTERS: Final = ("stream", "incident", "why", "marked")
TEXTS: Final = ("input", "output")
MARKED: Final = {"": None, "no": False, "yes": True}
MARKED_WORDS: Final = (("", "unmarked first"), ("no", "unmarked only"), ("yes", "marked only"))
GONE: Final = "there is no such sample, or it is kept no longer"


@dataclass(frozen=True, slots=True)
class Looked:
    """A sample, the ones before and after it, and its record: texts by themselves, the rest as JSON."""

    row: Any | None
    place: int | None
    queued: int
    before: str | None
    after: str | None
    texts: tuple[tuple[str, str], ...]
    record: str


def review_routes(site: Site) -> list[Route]:
    """The page, and what its filters show as JSON lines."""

    async def page(request: Request) -> Response:
        filters, name = filters_of(request.query_params), request.query_params.get("sample")

        def ask(conn: Connection) -> Looked:
            return looked_at(conn, wanted_of(filters), name)

        found = await site.reading.read(ask)
        if name and found.row is None:
            raise HTTPException(404, GONE)
        return site.shell.page(
            request,
            "review.html",
            found=found,
            filters=filters,
            whys=WHYS,
            marked=MARKED_WORDS,
            note_chars=NOTE_CHARS,
            most=MOST_QUEUED,
            address=address,
        )

    async def export(request: Request) -> Response:
        wanted = wanted_of(filters_of(request.query_params))

        def ask(conn: Connection) -> bytes:
            rows = some(conn, queue(conn, wanted, MOST_EXPORTED))
            return b"".join(msgspec.json.encode(as_object(row)) + b"\n" for row in rows)

        headers = {**HEADERS, "content-disposition": 'attachment; filename="samples.jsonl"'}
        return Response(await site.reading.read(ask), 200, headers, "application/jsonl")

    return [
        Route("/review", page, methods=["GET"]),
        Route("/review/samples.jsonl", export, methods=["GET"]),
    ]


def filters_of(values: Mapping[str, str]) -> dict[str, str]:
    """What is asked for, by the names of the page's filters."""
    return {name: values[name] for name in FILTERS if values.get(name)}


def wanted_of(filters: Mapping[str, str]) -> Wanted:
    """Which samples these are; raises HTTPException for what is no filter."""
    if filters.get("why", WHYS[0]) not in WHYS or filters.get("marked", "") not in MARKED:
        raise HTTPException(400, "there is no such filter")
    return Wanted(
        stream=filters.get("stream"),
        incident=filters.get("incident"),
        why=filters.get("why"),
        marked=MARKED[filters.get("marked", "")],
    )


def address(filters: Mapping[str, str], sample: str | None = None, path: str = "/review") -> str:
    """The page with these filters, at one sample."""
    asked = dict(filters) | ({"sample": sample} if sample else {})
    return f"{path}?{urlencode(asked)}" if asked else path


def looked_at(conn: Connection, wanted: Wanted, name: str | None) -> Looked:
    """The sample of that name, else the first to review."""
    ids = queue(conn, wanted, MOST_QUEUED)
    name = name or (ids[0] if ids else None)
    row = next(iter(some(conn, [name] if name else [])), None)
    place = ids.index(name) if name in ids else None
    others = ids if place is None else ids[place + 1 :]
    texts, record = _record(row)
    return Looked(
        row=row,
        place=place,
        queued=len(ids),
        before=ids[place - 1] if place else None,
        after=others[0] if others else None,
        texts=texts,
        record=record,
    )


def _record(row: Any | None) -> tuple[tuple[tuple[str, str], ...], str]:
    fields = {} if row is None else json.loads(row.record)
    texts = tuple((name, str(fields.pop(name))) for name in TEXTS if name in fields)
    return texts, json.dumps(fields, indent=2, ensure_ascii=False)


def _mark_form(site: Site, values: Values) -> Form:
    return Form(
        title=f"Mark sample {values['sample']}",
        does=("Its first mark counts once as a label; later ones change what is shown.",),
        fields=(
            Field("verdict", "How it is", options=tuple((v, v) for v in VERDICTS)),
            Field("note", "Note", "For those who look later.", required=False, longest=NOTE_CHARS),
        ),
        submit="Mark it",
        back=address(filters_of(values)),
        hidden=filters_of(values),
    )


def _mark(site: Site, asked: Asked) -> Done:
    name, verdict = asked.values["sample"], asked.values.get("verdict", "")
    said = next((Mark(v, asked.values.get("note", ""), asked.actor) for v in VERDICTS if v == verdict), None)
    if said is None:
        raise UsageError("say whether it is good or bad")

    def write(conn: Connection) -> str:
        outcome = mark_in(conn, [name], said)
        if outcome.unknown:
            raise UsageError(GONE)
        if outcome.same:
            return f"{name} was marked {verdict} already."
        return f"{name} is {'marked' if outcome.counted else 'changed to'} {verdict}."

    return Done(site.board.change(write), address(filters_of(asked.values)))


MARK: Final = Action("/samples/{sample}/mark", _mark_form, _mark)
