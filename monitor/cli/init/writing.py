"""A proposal as the text of an alerts.yaml."""

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

import numpy as np
from jinja2 import Environment, StrictUndefined, select_autoescape

from monitor.cli.found import iso
from monitor.cli.init.limits import rules
from monitor.cli.init.proposing import Proposal
from monitor.cli.inspect.reading import flow
from monitor.cli.inspect.study import Study
from monitor.cli.inspect.wants import lacking
from monitor.cli.printed import plain
from monitor.cli.reaching import LEARN
from monitor.cli.rounding import duration
from monitor.ledger.wording import duration as in_words
from monitor.records.record import FEATURES

_TEMPLATE: Final = files("monitor.cli.init") / "alerts.yaml.j2"
USUAL_SERVERS: Final = "localhost:9092"
_MOST_FEATURES: Final = 5


def written(proposal: Proposal) -> str:
    """A complete alerts.yaml; nothing that a log holds can be more than a value or a comment in it."""
    # Not HTML: values go through the filter `yaml`, which quotes what needs it.
    environment = Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=select_autoescape(default_for_string=False),
    )
    environment.filters |= {"yaml": flow, "comment": comment}
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(_values(proposal))


def comment(text: str) -> str:
    """One line, so that a comment cannot end before it does."""
    return re.sub(r"\s*[\r\n\x85\u2028\u2029]\s*", " ", plain(text))


def _values(proposal: Proposal) -> dict[str, Any]:
    study, taken = proposal.study, proposal.study.taken
    ratings = study.columns.number("rating")
    known = None if ratings is None else ratings[~np.isnan(ratings)]
    return {
        "log": comment(f"topic {taken.name}" if taken.of_topic else taken.name),
        "counted": f"{study.outcome.n:,} records",
        "period": _period(proposal),
        "concerns": [c for c in proposal.concerns if c.kind != "short"],
        "name": proposal.topic,
        "topic": proposal.topic,
        "topic_note": "" if taken.of_topic else "   # GUESSED from the name of the file",
        "file": "FILE" if taken.of_topic else comment(taken.name),
        "servers": taken.servers or USUAL_SERVERS,
        "lateness": duration(proposal.lateness_ms),
        "reading": study.reading,
        "map": list(_map(proposal)),
        "slices": list(proposal.slices),
        "learning": proposal.learning,
        "until": _until(proposal),
        "live": _live(proposal),
        "min_n": proposal.min_n,
        "bad_below": None if known is None or not known.size else f"{study.bad_below:g}",
        "ratings": [] if known is None or not known.size else [f"{known.min():g}", f"{known.max():g}"],
        "signals": list(_features(proposal)),
        "rules": rules(proposal),
        "kill": _kill(proposal),
        "lacking": lacking(study),
    }


def _period(proposal: Proposal) -> str:
    known = proposal.study.ts_ms[~np.isnan(proposal.study.ts_ms)]
    if not known.size:
        return ""
    return (
        f" in {in_words(proposal.study.span_ms)} from {iso(int(known.min()))[:16].replace('T', ' ')} UTC on"
    )


def _live(proposal: Proposal) -> str:
    """How long a live topic takes to learn; empty for a file, or where its pace is not known."""
    learning, takes = proposal.learning, _taken_ms(proposal.study, proposal.learning.learn)
    if not proposal.study.taken.of_topic or not takes:
        return ""
    takes = max(takes, learning.at_least_ms)
    return f"At this pace that takes the busiest model {in_words(takes)}, so that a night is seen."


def _until(proposal: Proposal) -> str:
    """When the busiest model will have what a live topic should learn from."""
    takes = _taken_ms(proposal.study, LEARN)
    return f"; {LEARN:,} records take {in_words(takes)} at this pace" if takes else ""


def _taken_ms(study: Study, records: int) -> float:
    """How long the busiest model takes to say so many records; 0 where its pace is not known."""
    return records * study.span_ms / study.models.most_common(1)[0][1] if study.models else 0.0


def _map(proposal: Proposal) -> Iterator[tuple[str, str, str]]:
    reading = proposal.study.reading
    for field, value in reading.map.items():
        if field == "model" and proposal.merged is not None:
            note = f"{proposal.merged}: versions of one model"
        else:
            note = reading.notes.get(field, "")
        guessed = field in reading.guessed or (field == "model" and proposal.merged is not None)
        said = ": ".join(part for part in ("GUESSED" if guessed else "", note) if part)
        yield field, flow(value), f"   # {said}" if said else ""


def _features(proposal: Proposal) -> Iterator[tuple[str, str]]:
    """Numbers from 0 on that a classifier was asked with."""
    found = (
        place
        for path, place in proposal.study.places.found.items()
        if len(path) == 2 and path[0] == FEATURES and place.numeric and min(place.numbers) >= 0
    )
    for place, _ in zip(found, range(_MOST_FEATURES), strict=False):
        if re.fullmatch(r"[a-z][a-z0-9_]{0,40}", place.path[1]):
            yield f"feature_{place.path[1]}", flow(place.pointer)


def _kill(proposal: Proposal) -> dict[str, Any] | None:
    models = proposal.study.models.most_common(1)
    if not models or not models[0][0].isprintable() or not proposal.study.outcome.given("status"):
        return None
    match = {"model": re.sub(r"([*?\[!])", "?", models[0][0])}
    return {
        "name": "outage",
        "signal": "error",
        "match": match,
        "above": {"critical": "50%"},
        "kill": "serving",
    }
