"""The formats that need no mapping: one file each in `formats/`, written as `source` is in alerts.yaml."""

from importlib.resources import files
from typing import Final

_HERE: Final = files("monitor.config") / "formats"

PRESETS: Final[tuple[str, ...]] = tuple(
    sorted(entry.name.removesuffix(".yaml") for entry in _HERE.iterdir() if entry.name.endswith(".yaml"))
)


def preset_text(name: str) -> str:
    """The YAML of one of `PRESETS`."""
    return (_HERE / f"{name}.yaml").read_text(encoding="utf-8")
