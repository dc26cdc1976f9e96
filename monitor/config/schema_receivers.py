"""Receivers, kill switches and connections to Kafka of alerts.yaml as JSON Schema."""

from monitor.config.connection import FILES, MECHANISMS, NAMES, PROTOCOLS, SECRETS
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
    here = {setting.name: told(setting.form, setting.about)}
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
        "webhook": told(_settings(WEBHOOK), "what to call"),
        "topic": told(
            {"anyOf": [TEXT, keys(topic, required=["name"])]}, "a compacted topic with every state"
        ),
        "mode": told(one_of_words(MODES), "what the service is told to do (disable)"),
        "to": told(TEXT, "what to serve instead, of degrade and rollback"),
        "per": told(one_or_several(TEXT), "one state for each value of these labels"),
        "trip": told(one_of_words(TRIPS), "dry_run: only say what would have been done"),
        "release": told(matching(f"manual|{AUTO}"), "manual, or auto after 10m"),
        "probe": told(
            matching(A_PROBE), "the share let through first, before an automatic release (5% for 5m)"
        ),
        "guard": _guard(),
        "notify": told(one_or_several(TEXT), "who hears of it beside those of the rule"),
    }
    return keys(here, allOf=[at_least_one("webhook", "topic")])


def _guard() -> Form:
    here = {
        "at_most": told(WHOLE, "different switches that rules may pull (1)"),
        "within": told(DURATION, "within this time (1h)"),
        "min_n": told(WHOLE, "records that must have come since it began (10)"),
        "fresh": told(DURATION, "older records never kill (60s)"),
    }
    return told(keys(here, blank=True), "what keeps a wrong alarm from stopping everything")


def connection() -> dict[str, Form]:
    """The settings of a connection, as kafka-python names them."""
    about = "of the connection, as kafka-python names it"
    secrets = [in_a_file(name, about) for name in SECRETS]
    return {
        "security_protocol": told(one_of_words(PROTOCOLS), "how the connection is secured (PLAINTEXT)"),
        "sasl_mechanism": told(one_of_words(MECHANISMS), "how Tocsin says who it is"),
        "ssl_check_hostname": told(FLAG, "false: any host may show the certificate"),
        **dict.fromkeys((*NAMES, *FILES), told(TEXT, about)),
        **{key: form for secret in secrets for key, form in secret.items()},
    }
