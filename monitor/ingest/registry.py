"""A schema registry by Confluent's HTTP protocol: each schema is fetched once, on a thread of its own.

What the registry does not answer is asked again, for as long as it takes; the records that need it are not read
meanwhile. That a schema is not there, or is none, it says itself: those records are skipped.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final
from urllib.parse import quote

import httpx
import structlog
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    wait_random_exponential,
)

from monitor.config.model import SchemaRegistry, Source
from monitor.errors import UsageError
from monitor.ingest.unpack import Polled
from monitor.records.lenient import Refused
from monitor.records.schemas.schema import JSON_OF, PROTOBUF, Schema, as_json, reader_of, schema_id
from monitor.tls import tls

log = structlog.get_logger(__name__)

TIMEOUT_S: Final = 5.0
LONGEST_WAIT_S: Final = 10.0
REFUSED_FOR_S: Final = 60.0
MOST_SCHEMAS: Final = 5_000
MOST_REFERENCES: Final = 100
NO_SUCH_SCHEMA: Final = 40403
"""The protocol's error code; a 404 without it is that of another server, or of a wrong path."""

_JSON: Final = "application/vnd.schemaregistry.v1+json, application/json"


class _UnavailableError(Exception):
    """The registry does not say; the sentence says why."""


class _RefusedError(Exception):
    """The registry says that there is no such schema, or none that can be used."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.refused = Refused(reason, detail)


@dataclass(frozen=True, slots=True)
class Read:
    """Records with their values as JSON; those of `refused`, by offset, are none."""

    records: list[Polled]
    refused: dict[int, Refused]


@dataclass(slots=True)
class _Known:
    """What is known of a schema, since `at` (monotonic s)."""

    outcome: JSON_OF | Refused
    at: float

    def holds(self, now: float) -> bool:
        """Whether it need not be asked for again: what was refused may be there later."""
        return not isinstance(self.outcome, Refused) or now - self.at < REFUSED_FOR_S


class Registry:
    """The schemas of one registry; `read` and `knows` are for one thread.

    `state` gets None when the registry answers, and one sentence when it does not.
    """

    def __init__(
        self,
        settings: SchemaRegistry,
        most_bytes: int,
        state: Callable[[str | None], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._most_bytes = most_bytes
        self._state = state
        self._monotonic = monotonic
        self._known: dict[int, _Known] = {}
        self._asked: set[int] = set()
        self._questions: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._away = False
        self._thread = threading.Thread(target=self._run, name="tocsin-registry", daemon=True)

    def knows(self, ids: Iterable[int]) -> bool:
        """Whether nothing of `ids` is being asked for."""
        return self._asked.isdisjoint(ids)

    def read(self, polled: Sequence[Polled]) -> Read | frozenset[int]:
        """The records with values that the mapping can read; the ids of their schemas while some are not known yet.

        These are being asked for then.
        """
        numbers = [schema_id(record[2]) for record in polled]
        known = {number: self._known.get(number) for number in set(numbers) if number is not None}
        now = self._monotonic()
        unknown = frozenset(n for n, schema in known.items() if schema is None or not schema.holds(now))
        if unknown:
            self._ask(unknown)
            return unknown
        read = Read([], {})
        for record, number in zip(polled, numbers, strict=True):
            value, schema = record[2], None if number is None else known[number]
            if value is None or schema is None or len(value) > self._most_bytes:
                read.records.append(record)
                continue
            found = schema.outcome if isinstance(schema.outcome, Refused) else as_json(value, schema.outcome)
            if isinstance(found, Refused):
                read.refused[record[0]] = found
                found = b""
            read.records.append((*record[:2], found, *record[3:]))
        return read

    def _ask(self, ids: frozenset[int]) -> None:
        for number in ids - self._asked:
            self._asked.add(number)
            self._questions.put(number)
        if self._thread.ident is None:
            self._thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._stopping.set()
        self._questions.put(None)

    def _run(self) -> None:
        settings = self._settings
        login = (settings.username, settings.password or "") if settings.username else None
        with httpx.Client(
            base_url=settings.url,
            auth=login,
            verify=tls(settings.ca_file),
            timeout=TIMEOUT_S,
            headers={"Accept": _JSON},
        ) as client:
            while (number := self._questions.get()) is not None and not self._stopping.is_set():
                self._learn(client, number)

    def _learn(self, client: httpx.Client, number: int) -> None:
        retrying = Retrying(
            wait=wait_random_exponential(multiplier=0.2, max=LONGEST_WAIT_S),
            retry=retry_if_exception_type(_UnavailableError),
            before_sleep=self._note_absence,
            sleep=sleep_using_event(self._stopping),
            stop=lambda _: self._stopping.is_set(),
        )
        outcome: JSON_OF | Refused
        try:
            outcome = reader_of(retrying(self._fetched, client, number))
        except _RefusedError as refused:
            outcome = refused.refused
        except Exception as error:
            if self._stopping.is_set():
                return
            log.exception("schema could not be read", schema=number)
            outcome = Refused("schema_unreadable", f"{type(error).__name__}: {error}")
        self._note_presence()
        self._forget()
        self._known[number] = _Known(outcome, self._monotonic())
        self._asked.discard(number)

    def _forget(self) -> None:
        """Make room: nobody uses thousands of schemas, but what is no frame may look like one."""
        if len(self._known) >= MOST_SCHEMAS:
            refused = (n for n, known in self._known.items() if isinstance(known.outcome, Refused))
            del self._known[next(refused, next(iter(self._known)))]

    def _fetched(self, client: httpx.Client, number: int) -> Schema:
        found = _asked(client, f"/schemas/ids/{number}")
        kind = str(found.get("schemaType") or "AVRO")
        if kind == PROTOBUF:
            found = {**found, **_asked(client, f"/schemas/ids/{number}", {"format": "serialized"})}
        return _schema(client, kind, found, [MOST_REFERENCES])

    def _note_absence(self, attempt: RetryCallState) -> None:
        reason = str(attempt.outcome.exception()) if attempt.outcome else ""
        self._state(reason)
        if not self._away:
            log.warning("schema registry does not answer, trying on quietly", why=reason)
        self._away = True

    def _note_presence(self) -> None:
        self._state(None)
        if self._away:
            log.info("schema registry is back")
        self._away = False


def _schema(client: httpx.Client, kind: str, found: Mapping[str, Any], left: list[int]) -> Schema:
    """A schema with all that it refers to, of which no more than `left` are fetched."""
    references = []
    for reference in found.get("references") or ():
        left[0] -= 1
        if left[0] < 0:
            raise _RefusedError("schema_unreadable", f"it refers to more than {MOST_REFERENCES} others")
        name, subject = str(reference["name"]), str(reference["subject"])
        path = f"/subjects/{quote(subject, safe='')}/versions/{int(reference['version'])}"
        # A version that was deleted since is still what the messages were written by.
        further = {"deleted": "true"} | ({"format": "serialized"} if kind == PROTOBUF else {})
        references.append((name, _schema(client, kind, _asked(client, path, further), left)))
    return Schema(kind, str(found["schema"]), tuple(references))


def _asked(client: httpx.Client, path: str, query: Mapping[str, str] | None = None) -> dict[str, Any]:
    where = f"The schema registry at {client.base_url}"
    try:
        answer = client.get(path, params=query)
    except httpx.HTTPError as error:
        raise _UnavailableError(f"{where} does not answer: {error or type(error).__name__}") from error
    try:
        body = answer.json()
    except ValueError:
        body = None
    body = body if isinstance(body, dict) else {}
    if answer.status_code == httpx.codes.OK and isinstance(body.get("schema"), str):
        return body
    raise _refusal(client, where, path, answer.status_code, body)


def _refusal(client: httpx.Client, where: str, path: str, status: int, body: Mapping[str, Any]) -> Exception:
    code, said = body.get("error_code"), str(body.get("message", ""))[:100]
    if status == httpx.codes.NOT_FOUND and code == NO_SUCH_SCHEMA:
        return _RefusedError("schema_unknown", f"the registry has none: {said or path}")
    if path.startswith("/subjects/") and status == httpx.codes.NOT_FOUND and code:
        return _RefusedError("schema_unreadable", f"the registry has not what it refers to: {said or path}")
    if status in (httpx.codes.NOT_IMPLEMENTED, httpx.codes.UNPROCESSABLE_ENTITY):
        return _RefusedError("schema_unreadable", f"the registry does not give it in serialized form: {said}")
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        advice = "check username and password of source.schema_registry"
    elif status in (httpx.codes.OK, httpx.codes.NOT_FOUND) or 300 <= status < 400:
        advice = "is source.schema_registry.url the address of a registry?"
    else:
        advice = "it is asked again"
    return _UnavailableError(f"{where} answers {path} with HTTP {status}: {advice}")


def registries_of(sources: Iterable[Source], state: Callable[[str, str | None], None]) -> dict[str, Registry]:
    """The registry of each topic that has one; sources with the same registry share it."""
    made: dict[tuple[SchemaRegistry, int], Registry] = {}
    found: dict[str, Registry] = {}
    for source in sources:
        settings = source.registry
        if settings is None:
            continue
        key = (settings, source.max_record_bytes)
        if key not in made:
            url = settings.url
            made[key] = Registry(settings, source.max_record_bytes, lambda why, url=url: state(url, why))  # type: ignore[misc]
        found |= dict.fromkeys(source.topics, made[key])
    return found


def check_registry(source: Source) -> None:
    """Raise UsageError where a registry is named, and what reads its schemas is not installed."""
    if source.registry is None:
        return
    tls(source.registry.ca_file)
    if any(find_spec(module) is None for module in ("fastavro", "google")):
        raise UsageError("source.schema_registry needs the extra `registry`: pip install 'tocsin[registry]'")
