"""HTML as a tree, so that whatever a text holds is escaped when it is written."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from xml.etree.ElementTree import Element, tostring

from monitor.ledger.wording import clip, digits, duration
from monitor.postmortem.queries import Answer

LONG: Final = 40
VERY_LONG: Final = 200
NAMES: Final = frozenset({"sequence", "partition", "kafka_offset", "reference_id"})
"""Columns of numbers that are names, not amounts."""

Child = Element | str


def el(tag: str, *children: Child, **attributes: str) -> Element:
    """An element; attributes are written as `aria_label`, and with `_` after a name that Python keeps (`class_`)."""
    named = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
    made = Element(tag, named)
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif len(made):
            made[-1].tail = (made[-1].tail or "") + child
        else:
            made.text = (made.text or "") + child
    return made


def written(root: Element) -> str:
    """The element as HTML."""
    return tostring(root, encoding="unicode", method="html")


def table(answer: Answer, label: str) -> Element:
    """The rows of an answer, in what scrolls under the name `label`; a sentence where there are none."""
    if not answer.rows:
        return el("p", "Nothing.", class_="none")
    head = el("tr", *_heads(answer))
    body = [el("tr", *_cells(answer.columns, row)) for row in answer.rows]
    rows = el("table", el("thead", head), el("tbody", *body))
    return el("div", rows, class_="wide", tabindex="0", role="region", aria_label=label)


def facts(pairs: Iterable[tuple[str, str]]) -> Element:
    """Names and what belongs to them, as a list."""
    return el("dl", *(part for name, value in pairs for part in (el("dt", name), el("dd", value))))


def _heads(answer: Answer) -> Iterable[Element]:
    for at, column in enumerate(answer.columns):
        numbers = any(_is_number(row[at]) for row in answer.rows)
        attributes = {"class_": "number"} if numbers else {}
        yield el("th", column.replace("_", " "), scope="col", **attributes)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cells(columns: Iterable[str], row: Iterable[Any]) -> Iterable[Element]:
    for column, value in zip(columns, row, strict=True):
        text = str(value) if column in NAMES and _is_number(value) else shown(value)
        if _is_number(value):
            yield el("td", text, class_="number")
        elif isinstance(value, datetime):
            yield el("td", text, class_="time")
        elif len(text) > VERY_LONG:
            yield el("td", el("details", el("summary", clip(text, LONG)), el("pre", text)), class_="folded")
        else:
            yield el("td", text, class_="long" if len(text) > LONG else "short")


def shown(value: Any) -> str:
    """A value of SQL as people read it: times in UTC, intervals in their unit, numbers with three digits."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S}"
        case timedelta():
            return duration(1000 * value.total_seconds())
        case int():
            return f"{value:,}"
        case float():
            return digits(value, 3)
        case _:
            return str(value)
