"""A mapping for a log of unknown form, from the names and values of what is found in it."""

import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import PurePath
from statistics import median
from typing import Any, Final

from monitor.cli.inspect.names import SEGMENTS, SYNONYMS, TIMES, ranks, snake
from monitor.cli.inspect.places import Found, Places
from monitor.cli.inspect.reading import Reading
from monitor.cli.inspect.statuses import are_ours, status_of
from monitor.records.record import SEGMENT
from monitor.records.timing import instants_ms

LEAST_SHARE: Final = 0.002
YEAR_2001_S: Final = 1e9
_YEAR_2100_S: Final = 4.1e9
_BEHIND: Final = 0.3
_MOST_SEGMENTS: Final = 50
_SECONDS_BELOW: Final = 120.0
_FLAGS_OF_STATUS: Final = frozenset({"success", "ok", "succeeded", "is_error", "failed", "error"})

_NUMBERS: Final = frozenset(
    [
        "input_tokens",
        "output_tokens",
        "latency_ms",
        "ttft_ms",
        "memory_bytes",
        "cost_usd",
        "batch_size",
        "rating",
    ]
)
_SHARES: Final = frozenset({"confidence", "score", "sample_rate"})
_FLAGS: Final = frozenset(["abstained", "cache_hit", "cold_start", "fallback", "valid_output", "correct"])
_NAMED: Final = frozenset(
    {"model", "version", "prompt_version", "finish_reason", "error_type", "prediction", "label"}
)


def guess(places: Places, name: str, *, missing: frozenset[str]) -> Reading:
    """A reading beside records of Tocsin's own, for the fields that are `missing` in them; `name` is the log's."""
    used: set[tuple[str, ...]] = set()
    found: dict[str, Any] = {}
    notes: dict[str, str] = {}
    for field in SYNONYMS:
        if field in missing and (best := _best(places, field, used)) is not None:
            place, unit = best
            used.add(place.path)
            found[field], note = _written(field, place, unit)
            if note:
                notes[field] = note
    if "ts" in missing and "ts" not in found:
        _from_the_only_time(places, used, found, notes)
    _from_two_times(places, found, missing, notes)
    _from_classes(places, found, missing, notes)
    if "model" in missing and "model" not in found:
        found["model"] = f"const:{_stem(name)}"
        notes["model"] = "no field names a model, so it is called as the file is"
    segment = _segment(places, used)
    if segment:
        found[SEGMENT] = segment
    return Reading(map=found, guessed=frozenset(found), notes=notes)


def _best(places: Places, field: str, used: set[tuple[str, ...]]) -> tuple[Found, str | None] | None:
    """The place whose name is most telling, of those whose values the field can take."""
    fits: list[tuple[int, int, float, Found, str | None]] = []
    for place in places.found.values():
        if not place.pointer.isprintable():
            continue
        ranked = ranks(place.path, field) if place.path not in used else None
        if ranked is not None and place.n >= LEAST_SHARE * places.n and _suits(field, place, places.n):
            fits.append((ranked[0], len(place.path), -place.n, place, ranked[1]))
    if not fits:
        return None
    *_, place, unit = min(fits, key=lambda fit: fit[:3])
    return place, unit


def _suits(field: str, place: Found, n: int) -> bool:
    """Whether a field can take nearly all values of a place."""
    if field == "status":
        flag = snake(place.path[-1]) in _FLAGS_OF_STATUS
        return (place.kind == "boolean") if flag else (are_ours(place) or status_of(place) is not None)
    if field == "ts":
        return _is_time(place)
    if field in _NUMBERS or field in _SHARES:
        return (
            place.numeric
            and min(place.numbers) >= (-1e9 if field == "rating" else 0)
            and _in_range(field, place)
        )
    if field in _FLAGS:
        return place.kind == "boolean" or (
            place.kind == "text" and set(map(str.lower, place.texts)) <= {"true", "false"}
        )
    return _suits_text(field, place, n)


def _in_range(field: str, place: Found) -> bool:
    return field not in _SHARES or max(place.numbers) <= 1


def _suits_text(field: str, place: Found, n: int) -> bool:
    if field == "features":
        return place.kind == "object"
    if field in ("input", "output"):
        return place.kind in ("text", "array", "object") and not place.numeric
    if field.endswith("_language"):
        return place.kind == "text" and all(2 <= len(text) <= 8 for text in place.texts)
    if not place.scalar:
        return False
    if field == "model":
        return place.kind == "text" and not place.many
    if field in ("prediction", "label"):
        return not place.many or place.numeric
    return field not in _NAMED or not place.many or field in ("version",)


def _is_time(place: Found) -> bool:
    if place.numeric and place.kind != "boolean":
        return min(place.numbers) >= 0 and not _are_days(place)
    return place.kind == "text" and bool(instants_ms([str(place.example)])[0] > 0)


def _are_days(place: Found) -> bool:
    """Whether numbers are days such as 20230716."""
    return all(19_000_101 <= x <= 21_001_231 and 1 <= x % 100 <= 31 for x in place.numbers)


def _written(field: str, place: Found, unit: str | None) -> tuple[Any, str]:
    """How `source.map` says it, and what is not sure of it."""
    if field == "status" and not are_ours(place):
        return status_of(place), "words were sorted by their look"
    if field in TIMES and place.numeric:
        return _TIMES[field](place, unit)
    return place.pointer, ""


def _time(place: Found, unit: str | None) -> tuple[Any, str]:
    if max(place.numbers) >= YEAR_2001_S:
        return place.pointer, ""
    guessed = unit or ("ms" if max(place.numbers) > 1e6 else "s")
    note = f"counts from 0, no date; taken for {guessed}"
    return {"field": place.pointer, "unit": guessed}, note


def _duration(place: Found, unit: str | None) -> tuple[Any, str]:
    if unit is not None:
        return ({"field": place.pointer, "unit": unit}, "") if unit != "ms" else (place.pointer, "")
    middle = median(place.numbers)
    fractional = any(x != int(x) for x in place.numbers[:200])
    if middle < _SECONDS_BELOW and fractional:
        return {"field": place.pointer, "unit": "s"}, f"taken for seconds: its median is {middle:.3g}"
    return place.pointer, f"taken for milliseconds: its median is {middle:.3g}"


_TIMES: Final[Mapping[str, Callable[[Found, str | None], tuple[Any, str]]]] = {
    "ts": _time,
    "latency_ms": _duration,
    "ttft_ms": _duration,
}


def _from_the_only_time(
    places: Places, used: set[tuple[str, ...]], found: dict[str, Any], notes: dict[str, str]
) -> None:
    """What has times of this century, whatever its name, if it is the only one that every record has."""
    dated = [
        place
        for place in places.found.values()
        if place.path not in used and place.n == places.n and place.pointer.isprintable() and _is_date(place)
    ]
    if len(dated) == 1:
        used.add(dated[0].path)
        found["ts"], notes["ts"] = dated[0].pointer, "the only times in the log"


def _is_date(place: Found) -> bool:
    if place.kind == "text":
        return _is_time(place)
    if not place.numeric or place.kind == "boolean":
        return False
    first, last = instants_ms([float(min(place.numbers)), float(max(place.numbers))])
    # Numbers of customers look like dates too, but do not ascend.
    behind = sum(b < a for a, b in pairwise(place.numbers))
    return first > 1_000 * YEAR_2001_S and last < 1_000 * _YEAR_2100_S and behind <= _BEHIND * place.n


def _from_two_times(
    places: Places, found: dict[str, Any], missing: frozenset[str], notes: dict[str, str]
) -> None:
    """A latency from when a request began, where the log has that and when it ended, and no duration."""
    end = found.get("ts")
    if "latency_ms" not in missing or "latency_ms" in found or not isinstance(end, str):
        return
    starts = [
        p for p in places.found.values() if snake(p.path[-1]) in _STARTS and p.pointer != end and _is_time(p)
    ]
    if starts and snake(end.rpartition("/")[2]) in _ENDS:
        found["latency_ms"] = {"from": starts[0].pointer, "to": end}
        notes["latency_ms"] = "from the two times"


def _from_classes(
    places: Places, found: dict[str, Any], missing: frozenset[str], notes: dict[str, str]
) -> None:
    """A score out of an object of probabilities by class: that of the last class, as the positive one mostly is."""
    classes = [
        place
        for path, place in places.found.items()
        if len(path) > 1 and snake(path[-2]) in _OBJECTS and _suits("score", place, places.n)
    ]
    if classes and "score" in missing and "score" not in found:
        found["score"] = classes[-1].pointer
        if len(classes) > 1:
            notes["score"] = f"one of {len(classes)} classes"


_OBJECTS: Final = frozenset({"probabilities", "probs", "proba", "scores", "class_probabilities"})
_STARTS: Final = frozenset(
    {"started_at", "start_time", "start", "request_time", "created_at", "begun", "received_at"}
)
_ENDS: Final = frozenset(
    {"completed_at", "finished_at", "ended_at", "end_time", "finished", "completed", "end"}
)


def _segment(places: Places, used: set[tuple[str, ...]]) -> dict[str, str]:
    """Few-valued texts by which traffic is commonly told apart."""
    return {
        snake(place.path[-1]): place.pointer
        for place in places.found.values()
        if place.path not in used
        and place.pointer.isprintable()
        and snake(place.path[-1]) in SEGMENTS
        and place.kind == "text"
        and 1 < len(place.texts) <= _MOST_SEGMENTS
    }


def _stem(name: str) -> str:
    stem = re.sub(r"[^\w-]+", "-", PurePath(name).name.split(".")[0]).strip("-")
    return stem if stem and stem != "stdin" else "model"


ALL: Final = frozenset(SYNONYMS) - {SEGMENT}
