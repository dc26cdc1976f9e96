"""alerts.yaml from the disk to a `Config`, or to everything that is wrong with it."""

import hashlib
import os
from collections.abc import Mapping as Environment
from collections.abc import Set
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from monitor.config import general
from monitor.config.including import KEY as INCLUDE
from monitor.config.including import read_text, with_included
from monitor.config.model import Config
from monitor.config.mutes import read_mutes
from monitor.config.never import warn_of_mutes
from monitor.config.problem import Problem, Report
from monitor.config.receivers import read_receivers, warn_of_unused
from monitor.config.redact import redacted
from monitor.config.rules import Known, read_rules
from monitor.config.samples import read_samples
from monitor.config.secrets import database_url, read_secret
from monitor.config.section import Section
from monitor.config.source import read_sources, warn_of_unjoined
from monitor.config.switches import read_switches
from monitor.config.tree import Mapping, parse
from monitor.config.user_signals import read_user_signals
from monitor.config.values import is_file, size, text
from monitor.config.variables import expand
from monitor.errors import ConfigError, UsageError

CHECK: Final[frozenset[str]] = frozenset()
REPLAY: Final = frozenset(
    {
        "streams",
        "reference",
        "false_alarms",
        "defaults",
        "feedback",
        "labels",
        "signals",
        "rules",
        "links",
        "mutes",
    }
)
RUN: Final = REPLAY | {
    "name",
    "source",
    "store",
    "receivers",
    "kill_switches",
    "http",
    "heartbeat",
    "samples",
}
LEDGER: Final = frozenset({"store"})

_VARIABLE: Final = "TOCSIN_CONFIG"


def find(path: str | None, environ: Environment[str, str] = os.environ) -> str:
    """The alerts.yaml to use: `path`, else $TOCSIN_CONFIG, else ./alerts.yaml.

    Raises `UsageError` where there is none.
    """
    chosen = path or environ.get(_VARIABLE) or "alerts.yaml"
    if is_file(chosen):
        return chosen
    if path:
        raise UsageError(f"there is no file {chosen}: give another one with -c")
    if environ.get(_VARIABLE):
        raise UsageError(f"{_VARIABLE} names {chosen}, but there is no such file")
    raise UsageError(f"there is no alerts.yaml here: name one with -c FILE, or set {_VARIABLE}")


def load(path: str | Path, *, environ: Environment[str, str] = os.environ, need: Set[str] = RUN) -> Config:
    """The configuration in `path`.

    `need` names the sections (top-level keys) that the command uses: there, variables must be set and secret
    files are read; elsewhere a value that rests on an unset variable takes its default, and such a rule is
    left out. Of `name`, `source` and `store`, those needed must be there. Raises `ConfigError` with all
    problems at once.
    """
    config, report = _read(str(path), environ, need)
    if config is None or report.problems:
        raise ConfigError([str(problem) for problem in report.in_order()])
    return config


def load_part(
    path: str | Path, need: Set[str], *, environ: Environment[str, str] = os.environ
) -> tuple[Config, list[Problem]]:
    """The configuration as far as `need` goes, and what is wrong elsewhere: at night a mistake in a rule must not
    stand between people and their kill switch.

    Raises `ConfigError` with all problems of the sections in `need`, and where the file is no YAML.
    """
    config, report = _read(str(path), environ, need)
    found = report.in_order()
    here = [problem for problem in found if config is None or problem.section in need]
    if config is None or here:
        raise ConfigError([str(problem) for problem in here])
    return config, found


def problems(
    path: str | Path, *, environ: Environment[str, str] = os.environ, need: Set[str] = CHECK
) -> list[Problem]:
    """Everything that `load` would refuse, in the order of the file."""
    return _read(str(path), environ, need)[1].in_order()


def warnings(path: str | Path, *, environ: Environment[str, str] = os.environ) -> list[Problem]:
    """What `load` takes although it is hardly meant or not wise, in the order of the file."""
    return sorted(set(_read(str(path), environ, CHECK)[1].warnings))


def _read(path: str, environ: Environment[str, str], need: Set[str]) -> tuple[Config | None, Report]:
    report = Report(path)
    content = read_text(path, report)
    parsed = None if content is None else parse(content, report)
    if content is None or parsed is None:
        return None, report
    whole, included = with_included(parsed, report)
    root = Section(expand(whole, environ, need, report), report, {INCLUDE})
    hashed = hashlib.sha256(content.encode())
    for more in included:
        hashed.update(more.content.encode())
    shown = "\n".join([redacted(content, parsed), *(more.redacted for more in included)])
    config = _config(_File(path, hashed.hexdigest(), shown), root, need)
    return config, report


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    config_hash: str
    redacted: str


def _config(file: _File, root: Section, need: Set[str]) -> Config:
    name = _name(root, needed="name" in need)
    sources = read_sources(root, needed="source" in need)
    store_url, store_max_bytes = _store(root, needed="store" in need)
    streams = general.read_streams(root)
    learning = general.read_learning(root)
    promise = general.read_false_alarms(root, streams.labels)
    receivers = read_receivers(root, sources[0], needed="receivers" in need)
    switches = read_switches(
        root, sources[0], _names(root, "receivers"), streams.labels, needed="kill_switches" in need
    )
    defaults = general.read_defaults(root, _names(root, "receivers"), streams)
    signals, vocabulary = read_user_signals(root)
    per_switches = {name: switch.per for name, switch in switches.items() if switch.per}
    known = Known(
        _names(root, "receivers"), _names(root, "kill_switches"), per_switches, streams, defaults, vocabulary
    )
    rules = read_rules(root, known)
    general.check_promise(root, promise, rules)
    if rules and not receivers and "receivers" not in root:
        root.wrong(
            "there are no receivers, so nobody would be told", "receivers: {default: {slack: {url: ...}}}"
        )
    told = [rule.notify.names for rule in rules] + [switch.notify for switch in switches.values()]
    warn_of_unused(root, used=[general.own_audience(defaults.notify, receivers), *told])
    bad_below = general.read_bad_below(root)
    labels = general.read_labels(root)
    warn_of_unjoined(root, sources, labels)
    links = general.read_links(root, streams.labels)
    mutes = read_mutes(root, streams.labels)
    warn_of_mutes(root, mutes, rules)
    heartbeat = general.read_heartbeat(root, needed="heartbeat" in need)
    samples = read_samples(root)
    host, port, token = general.read_http(root, needed="http" in need)
    root.close()
    return Config(
        path=file.path,
        name=name,
        sources=sources,
        store_url=store_url,
        store_max_bytes=store_max_bytes,
        streams=streams,
        learning=learning,
        false_alarms=promise,
        fresh_ms=defaults.fresh_ms,
        default_notify=general.own_audience(defaults.notify, receivers),
        bad_below=bad_below,
        rules=rules,
        receivers=receivers,
        kill_switches=switches,
        http_host=host,
        http_port=port,
        http_token=token,
        config_hash=file.config_hash,
        redacted=file.redacted,
        signals=signals,
        labels=labels,
        links=links,
        mutes=mutes,
        heartbeat=heartbeat,
        samples=samples,
    )


def _names(root: Section, key: str) -> tuple[str, ...]:
    """All names under a key, those of wrong ones too, so that one mistake is told once."""
    node = root.node.values.get(key)
    return tuple(node.values) if isinstance(node, Mapping) else ()


def _name(root: Section, *, needed: bool) -> str:
    if needed and "name" not in root:
        root.wrong("`name` is missing", "it goes into every message, such as name: prod")
    return root.take("name", text, "tocsin")


def _store(root: Section, *, needed: bool) -> tuple[str, int | None]:
    section = root.inner("store")
    if section is None:
        if needed:
            root.wrong("`store` is missing", "store: {url: postgresql://user@host/database}")
        return "", None
    url = read_secret(section, "url", database_url, needed=needed, advice="postgresql://user@host/database")
    most = section.take("max_size", size("100MB"), None)
    section.close()
    return url, most
