"""What the queries came to as one page that holds all it needs: no script, and nothing fetched when it is opened."""

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final
from uuid import uuid4
from xml.etree.ElementTree import Element

from sqlalchemy import Row

from monitor.ledger.wording import amount, digits
from monitor.postmortem import chart
from monitor.postmortem.markup import el, facts, shown, table, written
from monitor.postmortem.queries import QUERIES, Answer, Query
from monitor.postmortem.words import story

Answers = Mapping[str, Answer]

STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2430; --paper: #ffffff; --soft: #5b6472; --line: #d8dde4; --band: #f4f6f8 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --paper: #14181f; --soft: #a2abb8; --line: #343c48; --band: #1d232c }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1.5rem; max-width: 64rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .25rem; overflow-wrap: anywhere }
h2 { font-size: 1.15rem; margin: 2.25rem 0 .5rem; border-top: 1px solid var(--line); padding-top: 1rem }
.about, .none, figcaption { color: var(--soft) }
.story { font-size: 1.1rem; overflow-wrap: anywhere }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem } dt { color: var(--soft) }
dd { margin: 0; overflow-wrap: anywhere }
figure { margin: 1rem 0 } svg { max-width: 100%; height: auto }
.wide { overflow-x: auto }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums }
th { text-align: left; color: var(--soft); font-weight: 600; white-space: nowrap }
th, td { padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
td { white-space: nowrap } td.long { white-space: normal; overflow-wrap: anywhere; min-width: 22rem }
th.number, .number { text-align: right }
td details { margin: 0 } td pre { white-space: pre-wrap; overflow-wrap: anywhere; width: 34rem; margin: .25rem 0 }
@media (max-width: 40rem) { svg { max-width: none } td pre { width: 18rem } }
details { margin: .75rem 0 } summary { cursor: pointer; color: var(--soft) }
pre { background: var(--band); padding: .75rem; overflow-x: auto; font-size: .8rem; line-height: 1.4 }
@media print {
  :root { --ink: #000; --paper: #fff; --soft: #444; --line: #bbb; --band: #f4f6f8 }
  body { max-width: none; padding: 0; font-size: 10pt } .wide { overflow: visible } table { font-size: 7pt }
  td { white-space: normal; overflow-wrap: anywhere } td.long { min-width: 0 } td.time { white-space: nowrap }
  pre { white-space: pre-wrap } h2 { break-after: avoid } tr, figure { break-inside: avoid }
}
"""
# One row of many columns reads better as a list.
_LISTED: Final = ("fired", "delays")
_OF_SOME: Final = ("part_field", "part_value", "good_below", "edge")
"""What few incidents have, and is not missed."""
_MEASURED: Final = ("observed", "reference", "at_least")
FOLDED: Final = frozenset({"signal"})
AT_NIGHT: Final = ("slices", "told", "kill", "timeline")
CHARTED: Final = ("fired", "signal", "slices", "kill")
"""What the chart alone is made of."""
CAPTION: Final = "The signal by minute of event time; dashed across: its reference and its limit."


def page(incident_id: str, answers: Answers) -> str:
    """The report of an incident that is there, as a file."""
    row = answers["fired"].rows[0]
    place = uuid4().hex
    drawn = drawable(answers)
    title = f"{incident_id}: {row.summary}"
    head = el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name="viewport", content="width=device-width, initial-scale=1"),
        el("title", title),
        el("style", STYLE),
    )
    about = f"Incident {incident_id} · rule {row.rule} · {row.severity} · {row.state} · all times UTC"
    main = el(
        "main",
        el("h1", row.summary),
        el("p", about, class_="about"),
        *(el("p", said, class_="story") for said in story(answers)),
        _figure(place) if drawn else el("p", undrawn(answers), class_="none"),
        *_sections(answers),
    )
    text = "<!doctype html>\n" + written(el("html", head, el("body", main), lang="en"))
    return text.replace(place, chart.svg(described(answers)), 1) if drawn else text


def _figure(place: str) -> Element:
    """The chart, which is wider than a phone."""
    inside = el("div", place, class_="wide", tabindex="0", role="region", aria_label="The signal by minute")
    return el("figure", inside, el("figcaption", CAPTION))


def sections(answers: Answers) -> str:
    """Every question with its answer and its query, as HTML for a page: what is asked at night first."""
    order = sorted(QUERIES, key=lambda query: query.name not in AT_NIGHT)
    return "".join(written(section) for section in _sections(answers, order, FOLDED | {"samples"}))


def drawable(answers: Answers) -> bool:
    """Whether there is something to draw, and what draws it."""
    return chart.drawable(answers["signal"])


def undrawn(answers: Answers) -> str:
    """Why there is no chart."""
    few = len(answers["signal"].rows) < 2
    extra = "A chart needs the extra: pip install 'tocsin[plot]'."
    return "Too few panes are left to draw the signal." if few else extra


def described(answers: Answers, width: int = chart.WIDTH) -> dict[str, Any]:
    """The chart in Vega-Lite, with onset, detection, versions and kills marked."""
    row = answers["fired"].rows[0]
    share = row.quantity == "rate" or row.edge is not None or (row.quantity or "").startswith("share:")
    marks = [(row.onset_at, "onset"), (row.detected_at, "detected")]
    seen = [s for s in answers["slices"].rows if s.first_seen and s.field == "version" and s.before is None]
    marks += [(s.first_seen, f"version {s.value}") for s in seen]
    kills = {(k.at, f"{k.action} {k.switch}") for k in answers["kill"].rows}
    marks += sorted(kills)
    if row.ended_at:
        marks.append((row.ended_at, row.state))
    return chart.described(answers["signal"], _titled(row), share, marks, width)


def _titled(row: Row[Any]) -> str:
    of = f" of {row.part_field} {row.part_value}" if row.part_field else ""
    if row.edge is not None:
        return f"share of {row.signal} {row.side} {digits(row.edge)}{of}"
    if row.good_below is not None:
        return f"share of {row.signal} above {digits(row.good_below)}{of}"
    return f"{row.signal or 'requests'} {row.quantity or ''}".strip() + of


def _sections(answers: Answers, order: Sequence[Query] = QUERIES, folded: Set[str] = FOLDED) -> list[Element]:
    made = []
    for query in order:
        found = answers[query.name]
        listed = query.name in _LISTED and found.rows
        body = _list(found) if listed else table(found, query.question)
        if query.name in folded and found.rows:
            body = el("details", el("summary", f"{len(found.rows)} rows"), body)
        sql = el("details", el("summary", "The query"), el("pre", query.sql, tabindex="0"))
        made.append(el("section", el("h2", query.question), body, sql))
    return made


def _list(answer: Answer) -> Element:
    row = answer.rows[0]
    unit = row.unit if "unit" in answer.columns else None
    told = {name for name in answer.columns if name not in _OF_SOME or getattr(row, name) is not None}
    if "edge" not in told:
        told.discard("side")
    pairs = (pair for pair in zip(answer.columns, row, strict=True) if pair[0] in told)
    return facts((name.replace("_", " "), _listed(name, value, unit)) for name, value in pairs)


def _listed(name: str, value: object, unit: str | None) -> str:
    if name in _MEASURED and isinstance(value, float):
        return amount(value, unit, 3)
    return shown(value)
