"""What is likely to go wrong with a log, each in one sentence with what to do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from monitor.cli.inspect.clocks import order
from monitor.cli.inspect.guessing import YEAR_2001_S
from monitor.cli.inspect.names import SYNONYMS, ranks, snake
from monitor.cli.inspect.reading import flow
from monitor.cli.inspect.sampled import sampling
from monitor.cli.inspect.shown import example
from monitor.cli.inspect.study import Study
from monitor.cli.inspect.twice import counted_twice
from monitor.cli.inspect.versions import versions_inside
from monitor.ledger.wording import digits, duration, percent, span
from monitor.records.signals import BY_NAME

AT_LEAST_MS: Final = 86_400_000
MOST_STREAMS: Final = 1_000
_MANY_STREAMS: Final = 100
_LEAST: Final = 200
_SECONDS_BELOW: Final = 60.0


@dataclass(frozen=True, slots=True)
class Concern:
    """`kind` is one word for programs."""

    kind: str
    sentence: str


def concerns(study: Study) -> list[Concern]:
    """All of them, the gravest first."""
    found = ((kind, said) for kind, look in _LOOKS for said in look(study))
    return [Concern(kind, said) for kind, said in found]


def _times(study: Study) -> Iterator[str]:
    n = int(np.count_nonzero(np.isnan(study.stated_ms)))
    if n == study.outcome.n:
        stands_in = "Kafka's timestamp stands in" if study.taken.of_topic else "replay of a file needs one"
        yield f"{_no_time(study)} a time in RFC 3339, or a number since 1970: {stands_in}"
    elif n:
        yield f"{n:,} records state no time"


def _no_time(study: Study) -> str:
    """Names the field that looks most as if it should."""
    for name in SYNONYMS["ts"].split():
        for place in study.places.found.values():
            if place.kind == "text" and ranks(place.path, "ts") and snake(place.path[-1]) == name:
                return f"{place.pointer} holds {example(place.path, place.example)!r}, which is not"
    return "no field holds"


def _labels(study: Study) -> Iterator[str]:
    if not study.predictions:
        yield (
            "there are labels or ratings only: they add to predictions, so begin with the log of these, and give this "
            "one as a source of its own (several topics, docs/formats.md)"
        )


def _nested(study: Study) -> Iterator[str]:
    """A guessed mapping takes the first item of an array, and of a log in batches that is one record of many."""
    model = study.reading.map.get("model")
    before, inside, _ = str(model).partition("/0/")
    if inside and study.outcome.n == len(set(study.outcome.rows)):
        yield (
            f"the model stands inside the items of {before}, of which only the first is read: where each is a record, "
            f"write source: {{each: {before}/*}} and map what is inside an item"
        )


def _clock(study: Study) -> Iterator[str]:
    known = study.stated_ms[~np.isnan(study.stated_ms)]
    if known.size and known.max() < YEAR_2001_S * 1_000:
        yield "times count from 0 and are no dates: good for replay, not for a live topic"


def _names(study: Study) -> Iterator[str]:
    found = versions_inside(study)
    if found is not None:
        split = flow({"field": study.reading.map.get("model", "model"), "split": found.pattern})
        yield (
            f"model {found}: each would be a stream of its own without a past; split the version off: model: {split}"
        )


def _sampling(study: Study) -> Iterator[str]:
    found = sampling(study)
    if found is not None:
        yield found


def _twice(study: Study) -> Iterator[str]:
    found = counted_twice(study)
    if found is not None:
        yield found


def _short(study: Study) -> Iterator[str]:
    # Of a topic these are only the newest messages, and it goes on.
    if 0 < study.span_ms < AT_LEAST_MS and study.predictions and not study.taken.of_topic:
        yield (
            f"a reference would cover only {duration(study.span_ms)} of traffic, and {span(AT_LEAST_MS)} is what "
            "reference.at_least wants so that a night is seen: give a longer log, or lower it (init does)"
        )


def _order(study: Study) -> Iterator[str]:
    found = order(study)
    if found.starts:
        yield (
            "records lie behind by about their latency, so ts looks like the time a request began: give its end, "
            "such as {field: ts, unit: ms, plus: latency_ms}"
        )
    elif found.lateness_ms is None:
        yield f"{percent(found.late)} of records come late, even by an hour: order the log (replay --sort)"
    elif found.late > 0.001:
        enough = f"source.lateness {span(found.lateness_ms)} would do"
        yield f"{percent(found.late)} of records come later than 3 s: {enough}"


def _many(study: Study) -> Iterator[str]:
    n = len(study.models)
    if n > MOST_STREAMS:
        yield f"{n:,} models: streams beyond {MOST_STREAMS:,} count together as (other); is model the right field?"
    elif n > _MANY_STREAMS:
        yield f"{n:,} models: each learns by itself and shares the promise; is model the right field?"


def _dropped(study: Study) -> Iterator[str]:
    for name, n in study.dropped.most_common():
        if n and name != "sample_rate":
            yield f"{name} is dropped in {n:,} records: {_odd(study, name)}"


def _odd(study: Study, name: str) -> str:
    place = study.places.found.get((name,))
    if place is not None and place.numeric and place.kind == "text":
        return f"it is a number in quotes; map: {{{name}: {name}}} takes it"
    if place is not None and place.numeric and max(place.numbers) > 1 and name in ("confidence", "score"):
        return f"it goes up to {digits(max(place.numbers))}, and must be from 0 to 1"
    return "its type or range is not what the field takes"


def _units(study: Study) -> Iterator[str]:
    for name in ("latency_ms", "ttft_ms"):
        values = study.columns.number(name)
        if values is None or name in study.reading.guessed or study.reading.preset:
            continue
        known = values[~np.isnan(values)]
        if known.size >= _LEAST and np.median(known) < _SECONDS_BELOW and np.any(known != np.floor(known)):
            middle = digits(float(np.median(known)))
            advice = f"map: {{{name}: {{field: {name}, unit: s}}}}"
            yield f"the median of {name} is {middle} ms; if it is in seconds: {advice}"


def _calm(study: Study) -> Iterator[str]:
    error = study.seen.get(BY_NAME["error"].name)
    if error is not None and error.k == 0 and error.n >= _LEAST:
        yield "not one failure in the log: are failures logged too, with their status?"


_LOOKS: Final[tuple[tuple[str, Callable[[Study], Iterator[str]]], ...]] = (
    ("no_predictions", _labels),
    ("nested", _nested),
    ("no_time", _times),
    ("sampling", _sampling),
    ("counted_twice", _twice),
    ("version_in_name", _names),
    ("order", _order),
    ("short", _short),
    ("units", _units),
    ("dropped", _dropped),
    ("many_streams", _many),
    ("no_dates", _clock),
    ("no_failures", _calm),
)
