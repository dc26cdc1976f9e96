"""What a running daemon takes of an alerts.yaml that is read again, and what waits for the next start."""

from dataclasses import replace
from typing import Final

from monitor.config.model import Config

AT_START: Final = {
    "name": "name",
    "sources": "source",
    "store_url": "store",
    "labels": "labels",
    "http_host": "http",
    "http_port": "http",
    "http_token": "http",
}
"""Fields of `Config` that take effect at the next start only, with the section that sets them."""
OF_STREAMS: Final = ("by", "slices", "max")


def taken(now: Config, fresh: Config) -> tuple[Config, list[str]]:
    """`fresh` as it can take effect while `now` runs, and the sections of it that need a restart."""
    kept = {name: getattr(now, name) for name in AT_START}
    fixed = {name: getattr(now.streams, name) for name in OF_STREAMS}
    waiting = [section for name, section in AT_START.items() if getattr(fresh, name) != kept[name]]
    waiting += [f"streams.{name}" for name in OF_STREAMS if getattr(fresh.streams, name) != fixed[name]]
    return replace(fresh, streams=replace(fresh.streams, **fixed), **kept), list(dict.fromkeys(waiting))
