"""Numbers as people read them at 3 am: 31%, 6.8 s, 41 tokens, $0.42."""

from calendar import day_name
from collections.abc import Callable, Sequence
from datetime import datetime
from math import floor, isfinite, log10
from typing import Final

MARK: Final = "…"

_TIMES: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))
_BYTES: Final = ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))


def clip(text: str, length: int) -> str:
    """`text` in at most `length` characters; what was cut ends with a mark."""
    return text if len(text) <= length else text[: length - len(MARK)].rstrip() + MARK


def number(n: int, what: str) -> str:
    """A number of things: `1 rule`, `2 kill switches`."""
    ending = "" if n == 1 else "es" if what.endswith("ch") else "s"
    return f"{n:,} {what}{ending}"


def digits(value: float, significant: int = 2) -> str:
    """`value` with at least `significant` digits, thousands apart and no trailing zeros."""
    if not isfinite(value):
        return "?"
    if value == 0:
        return "0"
    places = max(0, significant - 1 - floor(log10(abs(value))))
    text = f"{value:,.{min(places, 12)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float, significant: int = 2) -> str:
    """A share as a percentage: `0.31` is `31%`, `0.004` is `0.4%`; only all of it is `100%`."""
    text = digits(100 * share, significant)
    while text == "100" and share < 1 and significant < 9:
        significant += 1
        text = digits(100 * share, significant)
    return text + "%"


def points(difference: float) -> str:
    """A difference of shares in percentage points: `+24 pp`."""
    sign = "+" if difference >= 0 else "-"
    return f"{sign}{digits(100 * abs(difference))} pp"


def duration(ms: float, significant: int = 2) -> str:
    """`6800` is `6.8 s`, `120000` is `2 min`, `820` is `820 ms`."""
    for size, unit in _TIMES:
        if abs(ms) >= (2 * size if size > 1_000 else size):
            return f"{digits(ms / size, significant)} {unit}"
    return f"{digits(ms, significant)} ms"


def span(ms: int) -> str:
    """A round time in its largest unit: `3600000` is `1 h`, `2592000000` is `30 d`."""
    return next((f"{ms // size} {unit}" for size, unit in _TIMES if ms and ms % size == 0), duration(ms))


def size(count: float, significant: int = 2) -> str:
    """Bytes with a decimal prefix."""
    for scale, unit in _BYTES:
        if abs(count) >= scale:
            return f"{digits(count / scale, significant)} {unit}"
    return f"{digits(count, significant)} bytes"


def amount(value: float, unit: str | None, significant: int = 2) -> str:
    """`value` in `unit` of the registry of signals."""
    match unit:
        case "share":
            return percent(value, significant)
        case "ms":
            return duration(value, significant)
        case "bytes":
            return size(value, significant)
        case "USD":
            return f"${digits(value, significant)}"
        case "probability" | None:
            return digits(value, significant)
        case _:
            return f"{digits(value, significant)} {unit}"


def apart(text: Callable[[float, int], str], value: float, other: float) -> tuple[str, str]:
    """Both values by `text(value, significant)`, with as many digits as it takes to tell them apart."""
    for significant in (2, 3, 4, 5):
        pair = text(value, significant), text(other, significant)
        if pair[0] != pair[1] or value == other:
            return pair
    return pair


def people(count: int, *, exact: bool) -> str:
    """`143 users`, `1 user`, `about 2,400 users`."""
    if exact:
        return f"{count:,} user{'' if count == 1 else 's'}"
    return f"about {round(count, 2 - len(str(count))):,} users"


def clock(at: datetime, seen_from: datetime) -> str:
    """A UTC time of day, with the date where it is not that of `seen_from`."""
    shown = f"{at:%H:%M:%S}"
    return shown if at.date() == seen_from.date() else f"{at.day} {at:%b} {shown}"


def hours_of_week(hours: Sequence[int]) -> str:
    """One hour of the week, or that hour of all days: `Mondays 03:00-04:00 UTC`, `03:00-04:00 UTC`; "" for none."""
    if not hours:
        return ""
    hour = hours[0] % 24
    span = f"{hour:02}:00-{hour + 1:02}:00 UTC"
    return span if len(hours) > 1 else f"{day_name[hours[0] // 24]}s {span}"


def days(first: datetime, last: datetime) -> str:
    """A range of dates: `8-14 Nov`, `28 Oct-3 Nov`, `14 Nov`."""
    end = f"{last.day} {last:%b}"
    if first.date() == last.date():
        return end
    start = (
        f"{first.day}" if (first.year, first.month) == (last.year, last.month) else f"{first.day} {first:%b}"
    )
    return f"{start}-{end}"
