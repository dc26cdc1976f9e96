"""Receivers, kill switches and connections to Kafka of alerts.yaml as JSON Schema."""

from monitor.config.connection import FILES, LATER, MECHANISMS, NAMES, PROTOCOLS, SECRETS
from monitor.config.forms import (
    DURATION,
    FLAG,
    TEXT,
    WHOLE,
    Form,
    at_least_one,
    in_a_file,
    keys,
    matching,
    one_of_words,
    one_or_several,
    told,
)
from monitor.config.receiver_kinds import KINDS, WEBHOOK, ReceiverKind
from monitor.config.receiver_settings import Setting
from monitor.config.switches import A_PROBE, AUTO, MODES, TRIPS


def receiver() -> Form:
    """One receiver, of whatever kind."""
    kinds = {kind.name: told(_settings(kind), kind.about) for kind in KINDS.values()}
    return keys(kinds, minProperties=1, maxProperties=1)


def _settings(kind: ReceiverKind) -> Form:
    here = {key: form for setting in kind.settings for key, form in _setting(setting).items()}
    musts = [_required(setting) for setting in kind.settings if setting.required]
    if kind.either:
        musts.append(at_least_one(*(key for name in kind.either for key in (name, f"{name}_file"))))
    form = keys(here | (connection() if kind.connects else {}), blank=not kind.settings)
    return {**form, "allOf": musts} if musts else form


def _setting(setting: Setting) -> dict[str, Form]:
    here = {setting.name: told(setting.form, setting.about, setting.default)}
    return here | (in_a_file(setting.name, setting.about) | here if setting.in_file else {})


def _required(setting: Setting) -> Form:
    names = [setting.name, f"{setting.name}_file"] if setting.in_file else [setting.name]
    return at_least_one(*names)


def switch() -> Form:
    """One kill switch."""
    topic = {
        "name": told(TEXT, "the topic"),
        "bootstrap_servers": told(one_or_several(TEXT), "another Kafka than that of `source`"),
        **connection(),
    }
    here = {
        "webhook": told(_settings(WEBHOOK), "what to call, signed as Standard Webhooks say"),
        "topic": told(
            {"anyOf": [TEXT, keys(topic, required=["name"])]},
            "a compacted topic that holds the newest state; by name, or with a connection of its own",
        ),
        "mode": told(one_of_words(MODES), "what the service is told to do", MODES[0]),
        "to": told(TEXT, "what to serve instead, such as rules-v3; degrade needs it"),
        "per": told(
            one_or_several(TEXT), "one state for each value of these labels; left out, one for all streams"
        ),
        "trip": told(one_of_words(TRIPS), "dry_run: only say what would have been done", TRIPS[0]),
        "release": told(
            matching(f"manual|{AUTO}"),
            "`manual`: a person releases; or `auto after 10m`, from 1m to 1w",
            "manual",
        ),
        "probe": told(
            matching(A_PROBE),
            "what is let through first, and for how long, before an automatic release",
            "5% for 5m",
        ),
        "guard": _guard(),
        "notify": told(one_or_several(TEXT), "who hears of it beside those of the rule"),
    }
    return keys(here, allOf=[at_least_one("webhook", "topic")])


def _guard() -> Form:
    here = {
        "at_most": told(WHOLE, "different switches, or states of one with `per`, that rules may pull", 1),
        "within": told(DURATION, "the time within which they count", "1h"),
        "min_n": told(WHOLE, "records that must have come since it began", 10),
        "fresh": told(DURATION, "older records never kill", "60s"),
    }
    return told(keys(here, blank=True), "what keeps a wrong alarm from stopping everything")


def connection() -> dict[str, Form]:
    """The settings of a connection, as kafka-python names them."""
    secrets = [in_a_file(name, about) for name, about in SECRETS.items()]
    plain = {name: told(TEXT, about) for name, about in {**NAMES, **FILES}.items()}
    return {
        "security_protocol": told(one_of_words(PROTOCOLS), "how the connection is secured", PROTOCOLS[0]),
        "sasl_mechanism": told(
            one_of_words(name for name in MECHANISMS if name != LATER),
            "how Tocsin says who it is; GSSAPI needs the package gssapi, AWS_MSK_IAM botocore",
        ),
        "ssl_check_hostname": told(FLAG, "false: any host may show the certificate", True),
        **plain,
        **{key: form for secret in secrets for key, form in secret.items()},
    }
