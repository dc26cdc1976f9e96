"""The page of the prediction record, made of its registry, its struct and its ranges."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, get_args, get_origin

from monitor.records.columns import NOT_NEGATIVE, RANGES
from monitor.records.fields import SUBJECTS, Field
from monitor.records.record import FEATURES, OBJECTS, SEGMENT, Flag, Number, Record, Scalar, Text
from monitor.records.signals import BY_NAME
from monitor.records.text import NAME_BYTES
from monitor.records.timing import AHEAD_MS, MS_ABOVE, NS_ABOVE, US_ABOVE

_INTRO: Final = """# The prediction record

One JSON object in UTF-8 for each prediction, as the value of a Kafka message. Only `model` is required: write what
you have. Fields that are not here are ignored, unless [a signal of your own](../signals.md#signals-of-your-own) reads
them. Logs of another form are read by [a preset or a mapping](../formats.md). This page is made of the registry that
measuring reads.

```json
{example}
```
"""
_EXAMPLE: Final = """{"model": "chat-eu", "version": "v42", "id": "r-1", "ts": "2026-11-22T08:30:00Z", "status": "ok",
 "output": "Guten Tag, ...", "expected_language": "de", "output_tokens": 180, "finish_reason": "stop",
 "latency_ms": 1730, "cost_usd": 0.0021}"""
_LATER: Final = """{"type": "feedback", "model": "chat-eu", "id": "r-1", "rating": 0, "ts": "2026-11-22T08:31:10Z"}
{"type": "label", "model": "credit", "id": "r-2", "label": "ACCEPT", "ts": "2026-11-22T09:00:00Z"}"""
_TABLE: Final = """<div class="names fields" markdown>

| field | value | meaning | feeds |
|---|---|---|---|
{}
</div>
"""
_SIGNALS: Final = """
A field feeds the [signals](../signals.md) that read it. Every field but `model` and `type` also has
`missing.<field>`, the rate of records without it, which is counted where a rule names it.
"""
_REST: Final = """
## What a status means

| status | means | counts in |
|---|---|---|
| `ok` | there is an answer, good or bad | all signals that have what they need |
| `error` | the request failed | `error`, `error_type`, and what [counts all](../signals.md) |
| `timeout` | the caller stopped waiting | the same, `timeout` and `latency_ms` |
| `rejected` | refused as the caller's fault, as HTTP 4xx | `rejected`, which never kills, and what counts all |

Lengths, languages, confidence and other qualities count `ok` alone, so that failures do not look like short answers
too. The rate `error` is of ok, error and timeout. A failure without a status is an error where `error_type` or
`error_message` says something.

## Times

`ts` is when the prediction was **complete**. With the time of its start, requests that time out after a minute would
all come late, and an outage would not be seen.

| written | is |
|---|---|
| `"2026-11-22T08:30:00Z"`, `"2026-11-22 09:30:00,000+0100"` | RFC 3339, or as loggers write it; UTC if no zone |
| a number up to {ms} | seconds since 1970 |
| above {ms} | milliseconds |
| above {us} | microseconds |
| above {ns} | nanoseconds |

A `ts` that is absent or no time stands for Kafka's timestamp. A clock that runs fast is held back: no `ts` is later
than {ahead:g} s after Kafka's timestamp. A record whose pane of ten seconds has closed counts in its own pane, and as
`late`; `source.lateness` says how long a pane waits.

## Labels and feedback

A record of `type` `label` or `feedback` adds to an earlier prediction, which it names by `model` and `id`. It says
`rating`, `label` or `correct`, and counts as no request, in the pane of its own `ts`.

```json
{later}
```

What it does not repeat of its prediction, such as `prediction` and `confidence`, is looked up for as long as
`labels.join` says: [labels and ratings that come later](../signals.md#feedback-and-labels-that-come-later).

## What is wrong in a record

- A field of another type, or out of its range, is dropped and counted in `tocsin_fields_dropped_total`; the rest of
  the record counts. A number in quotes is a text. `NaN` and numbers beyond 2^53 are out of every range. JSON's `null`
  is the same as no field.
- Names such as versions and classes are at most {name} bytes; a longer one becomes its beginning and a short hash.
- A value that is no JSON object, or has no `model`, is skipped with its reason, in `tocsin.skipped_records`. It stops
  nothing.
"""
_WORDS: Final[Mapping[Any, str]] = {
    str: "text",
    Text: "text",
    Flag: "true or false",
    Number: "number",
    Scalar: "text, number, boolean",
    str | float | None: "text or number",
    OBJECTS[SEGMENT]: "object of texts, numbers, booleans",
    OBJECTS[FEATURES]: "object",
}


def record() -> str:
    """The whole page."""
    tables = "".join(f"\n## {subject}\n\n{_table(fields)}" for subject, fields in SUBJECTS.items())
    rest = _REST.format(
        ms=_power(MS_ABOVE),
        us=_power(US_ABOVE),
        ns=_power(NS_ABOVE),
        ahead=AHEAD_MS / 1_000,
        later=_LATER,
        name=NAME_BYTES,
    )
    return _INTRO.replace("{example}", _EXAMPLE) + _SIGNALS + tables + rest


def _table(fields: Iterable[Field]) -> str:
    rows = (f"| `{f.name}` | {_value(f)} | {f.meaning} | {_feeds(f)} |\n" for f in fields)
    return _TABLE.format("".join(rows))


def _value(field: Field) -> str:
    kind = Record.__annotations__.get(field.name, OBJECTS.get(field.name, Scalar))
    words = [_words(kind)]
    if kind == Number:
        words += [word for word in (field.unit, _range(field.name)) if word]
    return ", ".join(words)


def _words(kind: Any) -> str:
    """A type as people say it; raises KeyError for one that has no words."""
    allowed = [word for one in get_args(kind) if get_origin(one) is Literal for word in get_args(one)]
    return ", ".join(f"`{word}`" for word in allowed) or _WORDS[kind]


def _range(name: str) -> str:
    low, high = RANGES.get(name, NOT_NEGATIVE)
    if (low, high) == NOT_NEGATIVE:
        return "0 or more"
    return "" if low == -high else f"{low:g} to {high:g}"


def _feeds(field: Field) -> str:
    return ", ".join(f"`{name}`" for name in field.signals if name in BY_NAME)


def _power(value: float) -> str:
    return f"10^{len(f'{value:.0f}') - 1}"
