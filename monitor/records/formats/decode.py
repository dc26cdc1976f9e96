"""Messages of a configured format as columns of records, of the types that the own record's are."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, compress, repeat
from typing import Any, Final

import msgspec
import numpy as np

from monitor.records.columns import Column, Table, is_empty
from monitor.records.decode import REFUSALS, Decoded, Headers, screened
from monitor.records.delta import I64
from monitor.records.formats.evaluate import Envelope, Reader
from monitor.records.formats.language import EVERY, Expression, Format, Origin, Place, Rows
from monitor.records.formats.levels import Level
from monitor.records.formats.pruned import Pruned, pruned, pruned_messages
from monitor.records.formats.typed import readers, texts
from monitor.records.lenient import Refused, parse_any, unframed
from monitor.records.record import ID, TRACE_ID, Record, record_type
from monitor.records.settings import MeasureSettings
from monitor.records.text import clean_name
from monitor.records.timing import instants_ms

_NO_MODEL: Final = Refused("no_model", "nothing is where the mapping looks for `model`")
_NO_OBJECT: Final = Refused("not_an_object", "the message is neither an object nor an array of objects")
_NO_ROOT: Final = Refused("no_root", "there is no object where `source.root` points")
_NO_ITEMS: Final = Refused("no_items", "there is no array where `source.each` points")
CHUNK_BYTES: Final = 2**20
WHOLE_BYTES: Final = 3 * CHUNK_BYTES
"""More is read chunk by chunk: what is made of it all would fall out of the processor's caches."""
_FEWEST: Final = 50
MOST_ITEMS: Final = 10_000
"""Records in one message: `[{},{},...]` of 1 MiB has three hundred thousand, each with all columns of a record."""
_TOO_MANY: Final = Refused("too_many_items", f"one message has more than {MOST_ITEMS:,} records")
_OF_SAMPLES: Final = (ID, TRACE_ID)


class MappedDecoder:
    """Messages in, columns out; `dropped` counts the values that had to be dropped, by field.

    A message counts when all its items do: one that is refused takes its message with it.
    """

    def __init__(self, form: Format, settings: MeasureSettings, dropped: Counter[str]) -> None:
        kind = record_type(settings)
        self._readers = dict.fromkeys(_OF_SAMPLES, texts) | readers(kind)
        own = {*Record.__struct_encode_fields__, *_OF_SAMPLES, "segment", "features"}
        # A field that is none of the record's is one of the user's own signals: it is there under its name.
        named = {name: Place((name,)) for name in self._readers if name not in own}
        self._fields: dict[str, Expression] = named | dict(form.fields)
        self._form = form
        self._max_bytes = settings.max_record_bytes
        self._dropped = dropped
        self._decode = msgspec.json.Decoder(pruned_messages(_paths(form, named.values()))).decode
        inside = defaultdict[Place, list[tuple[str, ...]]](list)
        for place, path in form.parsed():
            inside[place].append(path)
        self._inside = {place: msgspec.json.Decoder(pruned(paths)).decode for place, paths in inside.items()}

    def decode_all(self, values: Sequence[bytes | None], envelope: Envelope) -> Decoded:
        """Each of `values`, as rows of the table, refused or ignored. Raises nothing for bad data."""
        size = sum(map(len, filter(None, values)))
        if size <= WHOLE_BYTES:
            return self._decode_chunk(values, envelope)
        step = max(_FEWEST, len(values) * CHUNK_BYTES // size)
        starts = range(0, len(values), step)
        chunks = (slice(start, start + step) for start in starts)
        return _joined(starts, [self._decode_chunk(values[some], envelope.part(some)) for some in chunks])

    def _decode_chunk(self, values: Sequence[bytes | None], envelope: Envelope) -> Decoded:
        refused = screened(values, self._max_bytes)
        level = self._items(self._parsed(values, refused), refused)
        read = set(range(len(values))) - refused.keys()
        level = self._matching(level, envelope)
        ignored = sorted(read - set(level.message))
        table = self._table(Reader(level, envelope, self._inside)) if level.values else {}
        if self._form.nameless:
            table["model"] = [
                model if model and clean_name(model) else None for model in table.get("model", ())
            ]
        else:
            refused |= dict.fromkeys(_nameless(table, level.message), _NO_MODEL)
        rows: Sequence[int] = level.message
        if not refused.keys().isdisjoint(rows):
            kept = [row not in refused for row in rows]
            table = {name: list(compress(column, kept)) for name, column in table.items()}
            rows = list(compress(rows, kept))
        return Decoded(table, rows, refused, ignored)

    def _parsed(self, values: Sequence[bytes | None], refused: dict[int, Refused]) -> Level:
        rows = [i for i in range(len(values)) if i not in refused] if refused else range(len(values))
        parsed: Column = []
        kept: list[int] = []
        rest = iter(_unframed([values[i] or b"" for i in rows]))
        done = 0
        while done < len(rows):
            before = len(parsed)
            with suppress(*REFUSALS):
                # What came before an exception is kept, and `rest` has taken the value that raised it.
                parsed.extend(map(self._decode, rest))
            good = len(parsed) - before
            kept += rows[done : done + good]
            done += good
            if done < len(rows):
                outcome = parse_any(values[rows[done]] or b"")
                if isinstance(outcome, Refused):
                    refused[rows[done]] = outcome
                else:
                    parsed.append(outcome)
                    kept.append(rows[done])
                done += 1
        return Level(parsed, kept)

    def _items(self, level: Level, refused: dict[int, Refused]) -> Level:
        level = _objects(level, refused, _NO_OBJECT)
        if self._form.root:
            level = _objects(level.inner(self._form.root), refused, _NO_ROOT)
        if self._form.choices:
            level = self._chosen(level, refused)
        path = self._form.each
        first = True
        while EVERY in path:
            at = path.index(EVERY)
            if first:
                level = _only(level, [type(v) is list for v in level.at(path[:at])], refused, _NO_ITEMS)
            level, path, first = level.spread(path[:at]), path[at + 1 :], False
        level = level.inner(path) if path else level
        if len(level.message) > MOST_ITEMS:
            many = {row for row, n in Counter(level.message).items() if n > MOST_ITEMS}
            level = _only(level, [row not in many for row in level.message], refused, _TOO_MANY)
        return _only(level, [row not in refused for row in level.message], {}, _NO_ITEMS)

    def _chosen(self, level: Level, refused: dict[int, Refused]) -> Level:
        """The items of the first array that each message has."""
        found: list[Column | None] = [None] * len(level.values)
        for rows in self._form.choices:
            shapes = level.at(rows.shape) if rows.shape is not None else repeat(None)
            found = [
                items_of(rows, value, shape) if items is None else items
                for items, value, shape in zip(found, level.at(rows.path), shapes, strict=False)
            ]
        refused |= {row: _NO_ITEMS for row, items in zip(level.message, found, strict=True) if items is None}
        return level.items([items or () for items in found])

    def _matching(self, level: Level, envelope: Envelope) -> Level:
        if not self._form.where:
            return level
        reader = Reader(level, envelope)
        met = map(any, zip(*(reader.met(tests) for tests in self._form.where), strict=True))
        kept = [i for i, counts in enumerate(met) if counts]
        return level if len(kept) == len(level.values) else level.only(kept)

    def _table(self, reader: Reader) -> Table:
        # A number that grows too large in ms is no number, and is dropped.
        with np.errstate(over="ignore", invalid="ignore"):
            return {name: self._column(reader, name) for name in self._readers}

    def _column(self, reader: Reader, name: str) -> Column:
        expression = self._fields.get(name)
        if expression is None:
            return [None] * len(reader.level.values)
        found = reader.column(expression, name)
        if is_empty(found):
            return found
        made = self._readers[name](found)
        if made is not found and made.count(None) > found.count(None):
            lost = sum(f is not None and f != "" and m is None for f, m in zip(found, made, strict=True))
            if lost:
                self._dropped[name] += lost
        return made


def _joined(starts: Sequence[int], chunks: Sequence[Decoded]) -> Decoded:
    """One batch of what was decoded chunk by chunk."""
    tables = [chunk.table for chunk in chunks if chunk.rows]
    names = tables[0] if tables else ()
    at = list(zip(starts, chunks, strict=True))
    return Decoded(
        # Two fields may share a list, so none is added to.
        {name: list(chain.from_iterable(table[name] for table in tables)) for name in names},
        [start + row for start, chunk in at for row in chunk.rows],
        {start + row: why for start, chunk in at for row, why in chunk.refused.items()},
        [start + row for start, chunk in at for row in chunk.ignored],
    )


def items_of(rows: Rows, value: Any, shape: Any) -> Column | None:
    """The records in what is found where `rows` are; None where they are not there.

    >>> items_of(Rows(("data",), ("shape",)), [0.1, 0.9, 0.7, 0.3], [2, 2])
    [[0.1, 0.9], [0.7, 0.3]]
    """
    if not rows.path:
        return [value]
    if type(value) is not list or rows.shape is None:
        return value if type(value) is list else None
    n = shape[0] if type(shape) is list and shape else None
    if type(n) is not int or n < 0 or (n == 0) != (not value) or (n and len(value) % n):
        return None
    width = len(value) // n if n else 1
    # A tensor may be nested by its dimensions, or flat.
    return value if width == 1 else [value[at : at + width] for at in range(0, len(value), width)]


def _unframed(values: Sequence[bytes]) -> Sequence[bytes]:
    # What a frame begins with is the smallest of all bytes.
    return list(map(unframed, values)) if values and min(values)[:1] <= b"\0" else values


def _objects(level: Level, refused: dict[int, Refused], why: Refused) -> Level:
    """Objects as they are, arrays of objects as their items; messages with anything else are refused."""
    if all(issubclass(kind, dict | Pruned) for kind in set(map(type, level.values))):
        return level
    alone = [v if type(v) is list else [v] for v in level.values]
    parent = [i for i, items in enumerate(alone) for _ in items]
    values = [item for items in alone for item in items]
    spread = Level(values, [level.message[i] for i in parent], level, parent)
    return _only(spread, list(map(_is_object, values)), refused, why)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict | Pruned)


def _only(level: Level, good: Sequence[bool], refused: dict[int, Refused], why: Refused) -> Level:
    if all(good):
        return level
    refused |= {row: why for row, is_good in zip(level.message, good, strict=True) if not is_good}
    return level.only([i for i, is_good in enumerate(good) if is_good])


def _nameless(table: Table, rows: Sequence[int]) -> Iterator[int]:
    models = table.get("model", [])
    bad = {model for model in set(models) if model is None or not clean_name(model)}
    return (row for row, model in zip(rows, models, strict=True) if model in bad) if bad else iter(())


def _paths(form: Format, further: Iterable[Place]) -> Iterator[tuple[str, ...]]:
    """Where in a message anything is read."""
    every = [(*form.root, *rows.path, EVERY) for rows in form.choices if rows.path]
    if len(every) < len(form.choices) or not form.choices:
        every.append((*form.root, *form.each))
    yield from ((*form.root, *rows.shape) for rows in form.choices if rows.shape is not None)
    for within in every:
        for place in (*form.places(), *further):
            if place.origin is Origin.ITEM and (place.path or not form.choices or EVERY in within):
                yield (*within, *place.path)
            elif place.origin is Origin.OUTER:
                ends = [i + 1 for i, key in enumerate(within) if key == EVERY]
                yield from ((*within[:i], *place.path) for i in (0, len(form.root), *ends))
        if within:
            yield (*within, "")


class MessageTimes:
    """When the messages of a log file say that they were: the latest `ts` of each one's items."""

    def __init__(self, form: Format, settings: MeasureSettings) -> None:
        self._decoder = MappedDecoder(form, settings, Counter())
        self.enveloped = form.enveloped

    def __call__(
        self, values: Sequence[bytes], headers: Sequence[Headers] = ()
    ) -> tuple[I64, dict[int, Refused]]:
        """In ms, int64[n]; why there is none, by row. What is ignored has the time of its neighbour."""
        n = len(values)
        decoded = self._decoder.decode_all(values, Envelope("", [-1] * n, (), headers))
        refused = dict(decoded.refused)
        times = np.full(n, np.nan)
        rows = np.array(decoded.rows, np.int64)
        if rows.size:
            np.fmax.at(times, rows, instants_ms(decoded.table["ts"]))
        missing = np.setdiff1d(np.flatnonzero(np.isnan(times)), [*refused, *decoded.ignored]).tolist()
        refused |= dict.fromkeys(missing, Refused("no_ts", "nothing is where the mapping looks for `ts`"))
        return _filled(times), refused


def _filled(times: np.ndarray[Any, np.dtype[np.float64]]) -> I64:
    """Times int64[n], that of the one before where there is none, or of the first one after."""
    known = np.flatnonzero(~np.isnan(times))
    if known.size == 0:
        return np.zeros(times.size, np.int64)
    last = np.searchsorted(known, np.arange(times.size), side="right") - 1
    return times[known[np.maximum(last, 0)]].astype(np.int64)
