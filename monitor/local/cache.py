"""Where downloads and running servers are kept: the user's cache directory."""

import os
from pathlib import Path

from monitor.errors import UsageError
from monitor.local.extra import load_extra

OVERRIDE = "TOCSIN_CACHE"


def cache_dir() -> Path:
    """Return the cache directory, made if need be: `$TOCSIN_CACHE`, else the platform's place for the user.

    Raises UsageError where it cannot be made or written.
    """
    override = os.environ.get(OVERRIDE)
    path = Path(override).expanduser() if override else load_extra("platformdirs").user_cache_path("tocsin")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise _unusable(path, "not writable")
    return path.resolve()


def _unusable(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"the cache directory {path} cannot be used ({reason}): name another one in ${OVERRIDE}"
    )
