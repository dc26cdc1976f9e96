"""Where records come from: `source`, one or a list of them, as kafka-python 3.0.12 names its settings."""

from functools import partial
from typing import Final

from monitor.config.connection import kafka_name, read_client, servers
from monitor.config.mapping import TYPES, read_format
from monitor.config.model import Labels, Source
from monitor.config.problem import WrongError, listed
from monitor.config.schema_registry import read_registry
from monitor.config.section import Section, each
from monitor.config.tree import Mapping, Node, Sequence
from monitor.config.values import (
    MS,
    duration,
    milliseconds,
    moment,
    one_of,
    scalar,
    text,
    whole,
    written,
)

NOTHING: Final = Source("", ("predictions",), "tocsin", "latest", 3 * MS["s"], 1 << 20, {})


def read_sources(root: Section, *, needed: bool) -> tuple[Source, ...]:
    """The sources of `source`, one or more; `NOTHING` where it is left out and not needed."""
    node = root.node.values.get("source")
    if isinstance(node, Sequence):
        root.asked.add("source")
        found = _several_sources(root, node, needed=needed)
    else:
        section = root.inner("source")
        found = [] if section is None else [_source(section, None, needed=needed)]
        if section is None and needed:
            root.wrong(
                "`source` is missing", "source: {bootstrap_servers: localhost:9092, topic: predictions}"
            )
    if found and all(source.type for source in found):
        root.wrong(
            f"there is nothing but {listed(dict.fromkeys(str(s.type) for s in found))} here, and no predictions",
            "name the topic of the prediction log too",
            at="source",
        )
    return tuple(found) or (NOTHING,)


def _several_sources(root: Section, node: Sequence, *, needed: bool) -> list[Source]:
    found: list[Source] = []
    taken: set[str] = set()
    for item in node.items:
        if not isinstance(item, Mapping):
            root.report.add(item.place, item.path, "this must be keys with values", "such as - {topic: chat}")
            continue
        section = Section(item, root.report)
        source = _source(section, found[0] if found else None, needed=needed)
        for topic in source.topics:
            if topic in taken and ("topic" in section or "topics" in section):
                # The ledger knows a topic by its name, whatever cluster it is on.
                section.wrong(
                    f"topic {topic} is in two sources",
                    "remove one; of two clusters only one can have a topic of this name",
                    at="topic" if "topic" in section else "topics",
                )
        taken.update(source.topics)
        found.append(source)
    if not node.items:
        root.wrong("there is no source in this list", "such as - {topic: predictions}", at="source")
    return found


def _source(section: Section, first: Source | None, *, needed: bool) -> Source:
    """One source; where it names no servers it has the connection of the `first`."""
    client = read_client(section, needed=needed)
    if first is not None and "bootstrap_servers" not in section:
        section.asked.add("bootstrap_servers")
        if client:
            section.wrong(
                "settings of a connection without bootstrap_servers",
                "name them too; a source without any of these has the connection of the first",
                at=next(iter(client)),
            )
        servers_of, client = first.bootstrap_servers, dict(first.client)
    else:
        servers_of = section.must(
            "bootstrap_servers", partial(servers, section), "", "such as localhost:9092"
        )
    type_of = section.take("type", one_of(*TYPES), None)
    form = read_format(section, type_of)
    source = Source(
        bootstrap_servers=servers_of,
        topics=_topics(section),
        group=section.take("group", kafka_name, (first or NOTHING).group),
        start=section.take("start", _start, NOTHING.start),
        lateness_ms=section.take("lateness", duration("0s", "1h"), NOTHING.lateness_ms),
        max_record_bytes=section.take(
            "max_record_bytes", whole(1_000, 100_000_000), NOTHING.max_record_bytes
        ),
        client=client,
        format=form,
        type=form.type if form is not None else None,
        registry=read_registry(section, needed=needed),
    )
    section.close()
    return source


def warn_of_unjoined(root: Section, sources: tuple[Source, ...], labels: Labels | None) -> None:
    """Labels of a topic of their own that say all themselves are rare."""
    if labels is None and any(source.type == "label" for source in sources):
        root.unwise(
            "these labels find no predictions, so only those count that repeat what was predicted",
            "add labels: {join: 2h}",
            at="source",
        )


def _topics(section: Section) -> tuple[str, ...]:
    if "topic" in section and "topics" in section:
        section.wrong("topic and topics are both there", "remove one", at="topic")
    if "topic" not in section and "topics" not in section:
        section.wrong(
            "`topic` is missing", "name the topic of the prediction log, such as topic: predictions"
        )
    one = section.take("topic", lambda node: (kafka_name(node),), NOTHING.topics)
    several = section.take("topics", partial(_several, section), NOTHING.topics)
    return several if "topics" in section else one


def _several(section: Section, node: Node) -> tuple[str, ...]:
    found = each(node, kafka_name, section.report)
    if not isinstance(node, Sequence) or not node.items:
        raise WrongError("this must be a list of topics", "such as topics: [chat, search]")
    if len(set(found)) < len(found):
        raise WrongError("a topic is there twice", "remove one")
    return found


def _start(node: Node) -> str | int:
    value = text(node)
    if value in ("latest", "earliest"):
        return value
    if value.startswith("-"):
        try:
            return -milliseconds(value[1:])
        except ValueError:
            raise WrongError(
                f"{written(scalar(node))} is not a start", "write a duration such as -24h"
            ) from None
    at = moment(value)
    if at is None or at < 0:
        raise WrongError(
            f"{written(scalar(node))} is not a start", "write latest, earliest, -24h or 2026-01-31T08:00:00Z"
        )
    return at
