"""The page of alerts.yaml, made of the schema that `tocsin check --schema` prints."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from alerts_words import is_by_severity, kind_of, members, written

from detectors.tolerance import DEFAULTS
from monitor.config.forms import Form, at_least_one
from monitor.config.schema import schema
from monitor.config.schema_receivers import connection

_FILE: Final = Path(__file__).parents[2] / "alerts.yaml"
_INTRO: Final = """# alerts.yaml, key by key

One file says what is watched, who is told and what may be stopped: the one that `-c` names, else that of
`$TOCSIN_CONFIG`, else `alerts.yaml` in the folder. What a larger installation does with it is in [beyond one
rule](../alerts-yaml.md), and [the documented example](#the-example) is below. This page is made of the schema that
`tocsin check --schema` prints.

- `${VAR}` is taken from the environment, `${VAR:-text}` has a default. A variable that is not set is a mistake only
  for commands that need it.
- Every secret can stand in a file of its own, under the same key with `_file`.
- A duration is a number with `ms`, `s`, `m`, `h`, `d`, `w` or `y`, such as `90s` or `1.5h`.
- `tocsin run` needs `name`, `source`, `store`, `rules` and `receivers`; `tocsin replay` needs no `source` and no
  `store`.
- `tocsin check` tells all mistakes at once, each with its line and what to do: unknown keys, wrong values, rules that
  could never fire.

"""
_TABLE: Final = """<div class="names keys" markdown>

| key | value | default | meaning |
|---|---|---|---|
{}
</div>
"""
_LIMITS: Final = """
## Limits

`above`, `below` and `tolerance` take one limit, or one for each of `info`, `warning` and `critical`: that is one
incident which escalates. A severer limit has to be wider than a milder one.

| limit | means | of |
|---|---|---|
| `5%`, `0.05` | this share | a rate, `confidence`, `score` |
| `800ms`, `2s` | this time | a percentile in ms |
| `80` | this number, in the signal's unit | a percentile, a `total` |
| `5pp`, `+5pp` | points above the reference, with `below` below it; less than 50 | a rate, a percentile, `tolerance` |
| `2x`, with `below` `0.5x` | twice the odds of the reference: 1% may be 2%, 20% 33%; at least {rate} more | a rate |
| `1.5x` | the reference, stretched: half as long again | a percentile, `tolerance` of a distribution |
| `2x` | the same of each category's share, at least {category} more | `tolerance` of a category |
| `2x`, `0.5x` | so many times the requests of the same hour last week | `requests` |
| `reference` | as far from the reference as `tolerance` says | `above`, `below` |

A percentile is judged by how many values lie beyond it: `p99` above `800ms` asks whether more than 1% take longer
than 800 ms, `p99` above `1.5x` whether more than 1% take longer than 1.5 times the reference's p99. No evidence shows
more than half: a rate's `above` is at most 50% and its `below` at least 50%, unless the rule has a `window`; the
limit at which a rule kills may be higher too.

A limit that is left empty, as in `above:` or a `drift` without `tolerance`, is

| rule | default |
|---|---|
{defaults}
While a stream is *provisional* limits against the reference are three times as wide: `2x` is `4x`, `1.5x` is `2.5x`,
and points are at most 30.

```yaml
name: prod
source: {{bootstrap_servers: "kafka:9092", topic: predictions}}
store: {{url: "${{DATABASE_URL}}"}}
rules:
  - {{name: errors,     signal: error,           above: {{warning: 2x, critical: 10%}}}}
  - {{name: rejected,   signal: rejected,        above: +5pp}}
  - {{name: truncated,  signal: truncated,       above: reference, tolerance: {{warning: 2x, critical: 10x}}}}
  - {{name: length,     signal: output_tokens,   drift: both, tolerance: 1.5x}}
  - {{name: language,   signal: output_language, drift: both}}
  - {{name: confidence, signal: confidence,      drift: down, tolerance: {{warning: 10pp, critical: 30pp}}}}
  - {{name: slow,       signal: latency_ms,      quantile: p99, above: 1.5x}}
  - {{name: ceiling,    signal: latency_ms,      quantile: p95, above: 800ms}}
  - {{name: outage,     signal: error,           window: 5s, above: 60%}}
  - {{name: spend,      signal: cost_usd,        total: 1d, above: 80}}
  - {{name: traffic,    signal: requests,        below: 0.5x, above: 2x}}
receivers: {{default: {{slack: {{url: "https://hooks.slack.example/x"}}}}}}
```
"""
_KAFKA: Final = """
## Connections to Kafka

Keys of `source`, of a receiver `kafka` and of the `topic` of a kill switch, as kafka-python names them. A receiver or
a switch that has none of them has the connection of the first source. More: [Kafka](../kafka.md).

"""
_EXAMPLE: Final = """
## The example

The file that comes with Tocsin, and explains itself.

```yaml
{}```
"""
_MORE: Final[Mapping[str, str]] = {
    "source": "[formats and mappings](../formats.md), [TLS and passwords](../kafka.md)",
    "store": "[roles](../postgres.md)",
    "streams": "[labels, and who is told](../alerts-yaml.md#labels-and-who-is-told)",
    "reference": "[what normal is](../references.md)",
    "false_alarms": "[the promise](../false-alarms.md)",
    "rules": "[overrides](../alerts-yaml.md#overrides), [time](../alerts-yaml.md#time), [objectives](../slos.md), "
    "[signals](../signals.md)",
    "signals": "[signals of your own](../signals.md#signals-of-your-own)",
    "labels": "[feedback and labels that come later](../signals.md#feedback-and-labels-that-come-later)",
    "samples": "[samples](../samples.md)",
    "mutes": "[pages, mutes and silences](../alerts-yaml.md#pages-mutes-and-silences)",
    "receivers": "[receivers](../receivers.md)",
    "kill_switches": "[the kill switch](../kill-switch.md)",
    "http": "[HTTP](http.md), [the status page](../status-page.md)",
    "heartbeat": "[who watches the watchman](../alerts-yaml.md#who-watches-the-watchman)",
}
_BRACES: Final = re.compile(r"(?<!`)\{[^}]*\}")
_FIRST: Final = (
    *("name", "include", "source", "store", "streams", "reference", "false_alarms", "defaults", "rules"),
    *("receivers", "kill_switches"),
)
"""In the order of the example; what else there is follows."""
_CONNECTION: Final = (
    "| `{}security_*`, `sasl_*`, `ssl_*` | keys | | [the connection to Kafka](#connections-to-kafka) |\n"
)
_OVERRIDES: Final = "overrides"


def alerts_yaml() -> str:
    """The whole page."""
    top = schema()["properties"]
    order = list(dict.fromkeys((*_FIRST, *top)))
    sections = "".join(_section(name, top[name]) for name in order if members(top[name]))
    return _INTRO + _TABLE.format(_overview(top, order)) + sections + _kafka() + _limits() + _example()


def _overview(top: Mapping[str, Form], order: list[str]) -> str:
    return "".join(
        f"| [`{name}`](#{name}) | {kind_of(top[name])} | {_default(top[name])} | {_meaning(top[name])} |\n"
        if members(top[name])
        else _row(name, top[name], must=False)
        for name in order
    )


def _section(name: str, form: Form) -> str:
    about = f"{_sentence(form['description'])}{f' More: {_MORE[name]}.' if name in _MORE else ''}"
    head = f"\n## {name}\n\n{about}\n\n"
    if name != "receivers":
        return head + _TABLE.format("".join(_rows(form)))
    kinds = (
        f"\n### {kind}\n\n{_sentence(of['description'])}\n\n{_keys(of)}" for kind, of in members(form).items()
    )
    return f"{head}Under a name of your own stands one of these kinds, with its keys.\n{''.join(kinds)}"


def _keys(form: Form) -> str:
    rows = "".join(_rows(form))
    return _TABLE.format(rows) if rows else "It has no keys.\n"


def _rows(form: Form, outer: str = "") -> Iterator[str]:
    """A row for each key, with those within it; a connection to Kafka and overrides are told elsewhere."""
    keys = members(form)
    connects = connection().keys() <= keys.keys()
    for key, value in keys.items():
        if (connects and key in connection()) or _holds(key, keys):
            continue
        yield _row(outer + key, value, must=_must(form, key), in_file=f"{key}_file" in keys)
        if key != _OVERRIDES and not is_by_severity(value):
            yield from _rows(value, f"{outer}{key}{'[]' if value.get('type') == 'array' else ''}.")
    if connects:
        yield _CONNECTION.format(outer)


def _holds(key: str, keys: Mapping[str, Form]) -> bool:
    """Whether `key` names the file that holds another."""
    return key.endswith("_file") and key.removesuffix("_file") in keys


def _row(key: str, form: Form, *, must: bool, in_file: bool = False) -> str:
    name = f"`{key}`, `{key.rpartition('.')[2]}_file`" if in_file else f"`{key}`"
    return f"| {name} | {kind_of(form)} | {'required' if must else _default(form)} | {_meaning(form)} |\n"


def _must(form: Form, key: str) -> bool:
    """Whether a key has to be there, by itself or in a file."""
    branches = [form, *form.get("anyOf", ()), form.get("items", {}), form.get("additionalProperties") or {}]
    if any(key in branch.get("required", ()) for branch in branches):
        return True
    one = at_least_one(key), at_least_one(key, f"{key}_file")
    return any(condition in one for branch in branches for condition in branch.get("allOf", ()))


def _default(form: Form) -> str:
    return f"`{written(form['default'])}`" if "default" in form else ""


def _meaning(form: Form) -> str:
    """What is in braces is code: at the end of a cell Markdown would take it for attributes."""
    return _BRACES.sub(r"`\g<0>`", str(form.get("description", ""))).replace("|", "\\|")


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def _kafka() -> str:
    keys = connection()
    rows = (
        _row(k, v, must=False, in_file=f"{k}_file" in keys) for k, v in keys.items() if not _holds(k, keys)
    )
    return _KAFKA + _TABLE.format("".join(rows))


def _limits() -> str:
    rows = [
        ("a rate", _times("rate")),
        ("a rate, by the hour of the week", _times("rate_by_hour")),
        ("a percentile up to p99", f"{DEFAULTS['p99'].amount:g} times as many values beyond it as before"),
        ("a percentile above p99", f"{DEFAULTS['p99.9'].amount:g} times as many"),
        ("`drift` of a distribution", f"`{DEFAULTS['distribution'].amount:g}x`"),
        ("the same, by the hour of the week", f"`{DEFAULTS['distribution_by_hour'].amount:g}x`"),
        ("`drift` of `confidence` or `score`", f"`{DEFAULTS['confidence'].amount * 100:g}pp`"),
        ("`drift` of a category", _times("category")),
    ]
    shown = "".join(f"| {rule} | {default} |\n" for rule, default in rows)
    return _LIMITS.format(rate=_points("rate"), category=_points("category"), defaults=shown)


def _times(name: str) -> str:
    return f"`{DEFAULTS[name].amount:g}x`, at least {_points(name)} more"


def _points(name: str) -> str:
    points = DEFAULTS[name].floor * 100
    return f"{points:g} point{'' if points == 1 else 's'}"


def _example() -> str:
    return _EXAMPLE.format(_FILE.read_text("utf-8"))
