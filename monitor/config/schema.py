"""alerts.yaml as a JSON Schema (draft 2020-12), for editors: which keys there are, and the form of their values.

What the loader takes is valid. What goes together, and which names there are, the loader alone says.
"""

from collections.abc import Mapping
from typing import Any, Final

from monitor.config.forms import (
    DURATION,
    FLAG,
    NUMERIC,
    POINTER,
    PROMISE,
    TEXT,
    WHOLE,
    Form,
    at_least_one,
    in_a_file,
    keys,
    matching,
    named,
    one_of_words,
    one_or_several,
    several,
    told,
)
from monitor.config.general import FIELDS, SLICED
from monitor.config.mapping import TYPES
from monitor.config.rule import Severity
from monitor.config.schema_mapping import mapping
from monitor.config.schema_receivers import connection, receiver, switch
from monitor.config.schema_registry import CA_FILE
from monitor.config.schema_rules import HOURS, MATCH, rule
from monitor.config.source import NOTHING
from monitor.config.user_signals import KINDS as SIGNAL_KINDS
from monitor.config.user_signals import SCALES
from monitor.config.values import NUMBER

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
TITLES: Final = {"alerts": "alerts.yaml of Tocsin", "included": "a file that alerts.yaml of Tocsin includes"}


def schema(of: str = "alerts") -> Form:
    """The schema of alerts.yaml, or of a file that it includes (`included`)."""
    return {"$schema": DRAFT, "title": TITLES[of], **_file(included=of == "included")}


def _file(*, included: bool) -> Form:
    rules = {"type": "array", "items": rule(), **({} if included else {"minItems": 1})}
    shared: dict[str, Form] = {
        "rules": told(rules, "what to watch, and how loudly to speak"),
        "receivers": told(named(receiver()), "whom to tell, by names of your own"),
        "streams": _streams(included=included),
    }
    if included:
        return keys(shared)
    return keys(shared | _sections(), anyOf=[{"required": ["rules"]}, {"required": ["include"]}])


def _sections() -> dict[str, Form]:
    return {
        "name": told(TEXT, "of this installation: goes into every message and dedup key"),
        "include": told(
            several(TEXT), "files with rules, receivers and streams.labels, such as teams/*.yaml"
        ),
        "source": _source(),
        "store": _store(),
        "reference": _reference(),
        "false_alarms": _false_alarms(),
        "defaults": _defaults(),
        "signals": told(named(_user_signal()), "signals of your own, by name"),
        "feedback": _feedback(),
        "labels": _labels(),
        "samples": _samples(),
        "links": told(
            named(TEXT),
            "addresses that messages show, by name, at most five; with {label}, {incident_id}, in `trace` {trace_id}",
        ),
        "mutes": told(several(_mute(), least=1), "hours in which nobody is told of some incidents"),
        "kill_switches": told(named(switch()), "what to stop, by names of your own"),
        "http": _http(),
        "heartbeat": _heartbeat(),
    }


def _source() -> Form:
    here = {
        "bootstrap_servers": told(one_or_several(TEXT), "host:port, several with commas"),
        "topic": told(TEXT, "the topic of the prediction log"),
        "topics": told(several(TEXT, least=1), "several of them, instead of topic"),
        "group": told(TEXT, "replicas of the same group share the partitions", NOTHING.group),
        "start": told(
            TEXT,
            "where to begin the first time: latest, earliest, -24h, or a time such as 2026-01-31T08:00:00Z",
            NOTHING.start,
        ),
        "lateness": told(DURATION, "how long a pane waits for records that come late, at most 1h", "3s"),
        "max_record_bytes": told(WHOLE, "larger records are skipped", NOTHING.max_record_bytes),
        "type": told(
            one_of_words(TYPES),
            "all messages are labels, or feedback, on predictions of other topics; left out, each says it itself",
        ),
        "schema_registry": _registry(),
        **mapping(),
    }
    must = [at_least_one("topic", "topics")]
    one = keys(here | connection(), required=["bootstrap_servers"], blank=True, allOf=must)
    further = keys(here | connection(), allOf=must)
    # Of a mapping or a list, so that an editor says what is wrong within either.
    form = {**one, "type": ["object", "array", "null"], "items": further, "minItems": 1}
    return told(form, "the topic with one JSON object for each prediction, or a list of such sources")


def _registry() -> Form:
    here = {
        "url": told(TEXT, "the address, such as https://registry.example.com"),
        "username": told(TEXT, "for HTTP basic authentication, with password"),
        **in_a_file("password", "of username"),
        CA_FILE.name: told(CA_FILE.form, CA_FILE.about),
        "allow_http": told(FLAG, "true lets `url` be http:// outside this machine", False),
    }
    form = keys(here, required=["url"], blank=True)
    return told(form, "a schema registry, for messages in Avro, Protobuf or JSON Schema")


def _store() -> Form:
    url = in_a_file("url", "of PostgreSQL: postgresql://user:password@host/database")
    size = {"type": "string", "pattern": r"^\s*[0-9.]+ *[KMGT]i?B\s*$"}
    here = url | {
        "max_size": told(
            size,
            "such as 50GB: where it is reached samples of past days go, then detail; left out, there is no limit",
        )
    }
    form = keys(here, blank=True, allOf=[at_least_one(*url)])
    return told(form, "where history, incidents and deliveries are kept")


def _streams(*, included: bool) -> Form:
    label = keys(
        {
            "match": MATCH,
            "set": told(
                {"type": "object", "minProperties": 1, "additionalProperties": TEXT},
                "the labels, with their values",
            ),
        },
        required=["set"],
    )
    labels = told(several(label, least=1), "labels that streams are given; later lines win")
    if included:
        return keys({"labels": labels}, blank=True)
    of_segment = {"type": "string", "pattern": r"^\s*segment\."}
    fields, slices = one_of_words(FIELDS, of_segment), one_of_words(SLICED, of_segment)
    here = {
        "by": told(several(fields, least=1), "fields that make a stream", ["model"]),
        "slices": told(
            several(slices),
            "fields that are counted within a stream, to say which part of it changed",
            ["version"],
        ),
        "max": told(WHOLE, "how many streams; further ones are counted together as `(other)`", 1000),
        "retire_after": told(DURATION, "a stream not seen for so long makes room; 1h or more", "7d"),
        "labels": labels,
    }
    return told(keys(here, blank=True), "what is watched by itself")


def _reference() -> Form:
    here = {
        "learn": told(WHOLE, "predictions that a reference is learned from; 100 or more", 10_000),
        "at_least": told(
            DURATION, "the time that they must span; with `by` at least 7d, which is then the default", "24h"
        ),
        "by": told(
            one_of_words(["hour_of_week"]),
            "compare with the same hour of the week; left out, with all hours together",
        ),
    }
    return told(keys(here, blank=True), "how what is normal is learned")


def _false_alarms() -> Form:
    here = {s.value: told(PROMISE, f"of severity {s}, over all rules that have it") for s in Severity}
    here |= {
        "kill": told(PROMISE, "of kills by rule"),
        "per": told(TEXT, "the numbers, but for `kill`, hold within each value of this label"),
    }
    form = {"anyOf": [PROMISE, keys(here, minProperties=1)]}
    return told(form, "how many to expect over all rules and streams together", "1 per 30d")


_SHARED: Final[Mapping[str, tuple[Any, ...]]] = {
    "severity": ("of limits that stand alone", Severity.WARNING.value),
    "min_n": ("predictions since the change began that an alarm needs", 100),
    "clear_for": ("how long all must be well before an incident resolves", "10m"),
    "notify": ("receivers that are told, all or by severity; left out, the one called `default`",),
    "renotify": ("say it again after each such time in which nobody acknowledged; left out, never",),
    "runbook": ("an address that messages show; may hold {label}",),
}
"""Keys of rules that `defaults` has too."""


def _defaults() -> Form:
    shared = rule()["properties"]
    here = {name: told(shared[name], *words) for name, words in _SHARED.items()}
    here["fresh"] = told(DURATION, "what is found later than this is told once, and pages nobody", "15m")
    return told(keys(here, blank=True), "what rules need not say")


def _user_signal() -> Form:
    here = {
        "kind": told(
            one_of_words(SIGNAL_KINDS), "rate: how often it is so; distribution: numbers; category: texts"
        ),
        "field": told(POINTER, "a top-level key, or a JSON Pointer such as /features/income_eur"),
        "when": told(
            one_or_several(TEXT, least=1), "of a rate: the values that count as its event; left out, true"
        ),
        "scale": told(
            one_of_words(SCALES), "of a distribution: log from 0, or probability from 0 to 1", "log"
        ),
        "range": told(
            {**several(NUMERIC, least=2), "maxItems": 2},
            "of a distribution: least and largest value; what lies outside is dropped",
        ),
    }
    return keys(here, required=["kind", "field"])


def _feedback() -> Form:
    here = {"bad_below": told(NUMERIC, "ratings below it are bad", 0)}
    return told(keys(here, blank=True), "what a rating means")


def _labels() -> Form:
    here = {
        "join": told(DURATION, "how long predictions are remembered for them, at most 7d"),
        "max": told(WHOLE, "how many of them at most, in each replica", 1_000_000),
    }
    return told(keys(here, required=["join"], blank=True), "labels and ratings that come later")


def _samples() -> Form:
    here = {
        "text": told(FLAG, "true keeps what a model was given and gave too: input, output, features", False),
        "drop": told(one_or_several(TEXT), "what is never kept: keys, or pointers such as /segment/*; globs"),
        "share": told(
            matching(rf"{NUMBER}\s*%?", "number"), "of all records, or of traces, chosen by hash", "1%"
        ),
        "first": told(WHOLE, "how many of the first records of each version of a stream, at most 1000", 20),
        "retain": told(DURATION, "how long they are kept, 1d to 1y", "30d"),
    }
    return told(keys(here, blank=True), "records that are kept to be looked at")


def _mute() -> Form:
    here = {
        "name": told(TEXT, "of the mute, for the timelines of what it touches"),
        "match": told(MATCH, "globs by label, or by rule, stream, signal and severity"),
        "during": HOURS,
    }
    return keys(here, required=here)


def _http() -> Form:
    here = {
        "host": told(TEXT, "the address to listen on; one that others can reach needs a token", "127.0.0.1"),
        "port": told(WHOLE, "the port; 0 is any that is free", 9844),
        **in_a_file("token", "a bearer token, which callers must send"),
    }
    return told(keys(here, blank=True), "health, metrics, flags and kill switches over HTTP")


def _heartbeat() -> Form:
    here = {
        **in_a_file("url", "where a sign of life is sent"),
        "every": told(DURATION, "how often, 10s to 1h", "1m"),
        "allow_http": told(FLAG, "true lets `url` be http:// outside this machine", False),
    }
    return told(
        keys(here, blank=True, allOf=[at_least_one("url", "url_file")]),
        "a sign of life for a watchman elsewhere",
    )
