"""Whether two instrumentations of one client each write a span of a request, so that it counts twice."""

from collections import Counter
from dataclasses import replace
from typing import Any, Final

from ruamel.yaml import YAML

from monitor.cli.inspect.reading import Outcome, decoded, flow
from monitor.cli.inspect.study import Study
from monitor.config.presets import preset_text
from monitor.ledger.wording import percent
from monitor.records.formats.language import EVERY, Format, Origin, Place

_SCOPE: Final = "outer:/scope/name"
# Fields of a record that take any text carry what a span says of itself.
_SPAN, _PARENT, _BY = "id", "trace_id", "error_type"
_OF_SPANS: Final = {
    _SPAN: Place(("spanId",)),
    _PARENT: Place(("parentSpanId",)),
    _BY: Place(("scope", "name"), Origin.OUTER),
}
_SHARE: Final = 0.01


def counted_twice(study: Study) -> str | None:
    """One sentence where spans that count lie in others that count, by another instrumentation."""
    form = study.reading.form
    if form is None or form.each[-2:] != ("spans", EVERY):
        return None
    pairs = _pairs(decoded(study.taken, _of_spans(form)))
    if pairs.total() <= _SHARE * study.predictions:
        return None
    (inner, outer), _ = pairs.most_common(1)[0]
    return (
        f"{percent(pairs.total() / study.predictions)} of records count a request again: {inner} writes a span inside "
        f"that of {outer}. Turn one of them off, or read one, with source.where: {_only(study, form, outer)}"
    )


def _of_spans(form: Format) -> Format:
    return replace(form, fields={"model": form.fields["model"], **_OF_SPANS})


def _pairs(spans: Outcome) -> Counter[tuple[str, str]]:
    """Spans whose parent counts too, by the two instrumentations, where these are not the same."""
    by = dict(zip(spans.column(_SPAN), spans.column(_BY), strict=True))
    around = (None if parent is None else by.get(parent) for parent in spans.column(_PARENT))
    found = zip(spans.column(_BY), around, strict=True)
    return Counter((inner, outer) for inner, outer in found if inner and outer and inner != outer)


def _only(study: Study, form: Format, scope: str) -> str:
    """What `where` has that finds anything, of one instrumentation."""
    named = study.reading.preset
    where: Any = YAML(typ="safe").load(preset_text(named))["where"] if named else {}
    every = [
        {_SCOPE: scope} | tests
        for tests, parts in zip(
            where if isinstance(where, list) else [where], form.where or [()], strict=True
        )
        if decoded(study.taken, replace(_of_spans(form), where=(parts,))).n
    ]
    return flow(every if len(every) > 1 else every[0])
