"""Apache Kafka's jars, each pinned by version, size and SHA-256 in `kafka_jars.lock`, fetched once by jgo."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from tenacity import (
    RetryError,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential_jitter,
)

from monitor.errors import DownloadFailed
from monitor.local.extra import load_extra

KAFKA_VERSION = "4.4.0"
_LOCK = Path(__file__).with_name("kafka_jars.lock")
_PARALLEL = 8
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Jar:
    """One jar of the lock file."""

    group: str
    artifact: str
    version: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


class _WrongJarError(Exception):
    """What was fetched is not what the lock file names."""


def locked_jars() -> list[Jar]:
    """Read the lock file: one `group:artifact:version size sha256` a line."""
    return [_parse(line) for line in _LOCK.read_text().splitlines()]


def _parse(line: str) -> Jar:
    coordinate, size, sha256 = line.split()
    group, artifact, version = coordinate.split(":")
    return Jar(group, artifact, version, int(size), sha256)


def kafka_jars(
    directory: Path, *, console: Console | None = None, repositories: Mapping[str, str] | None = None
) -> list[Path]:
    """Return the paths of all of Kafka's jars in `directory`, fetching those that are missing.

    `repositories` (name to address) replaces the Maven repositories of the user's jgo settings.
    A jar comes into `directory` only whole and with the right hash, so many processes may do this at once.
    Raises DownloadFailed with one sentence.
    """
    jars = locked_jars()
    missing = [jar for jar in jars if not _is_there(directory, jar)]
    if missing:
        directory.mkdir(parents=True, exist_ok=True)
        _fetch_all(missing, directory, console or Console(stderr=True), repositories)
    return [directory / jar.filename for jar in jars]


def _is_there(directory: Path, jar: Jar) -> bool:
    path = directory / jar.filename
    return path.is_file() and path.stat().st_size == jar.size


def _fetch_all(
    jars: list[Jar], directory: Path, console: Console, repositories: Mapping[str, str] | None
) -> None:
    logging.getLogger("jgo").setLevel(logging.CRITICAL)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    total = sum(jar.size for jar in jars)
    label = f"Fetching Apache Kafka {KAFKA_VERSION} (once)"
    if not console.is_terminal:
        console.print(f"{label}: {len(jars)} jars, {total / 1e6:.0f} MB", highlight=False)
    with (
        tempfile.TemporaryDirectory(dir=directory, prefix="fetch-") as scratch,
        Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress,
        ThreadPoolExecutor(_PARALLEL) as pool,
    ):
        maven = _maven(Path(scratch), repositories)
        task = progress.add_task(label, total=total)
        try:
            for _ in pool.map(lambda jar: _fetch(jar, maven, directory, progress, task), jars):
                pass
        except (OSError, RuntimeError, _WrongJarError, RetryError) as error:
            pool.shutdown(cancel_futures=True)
            raise _failed(error, jars, directory) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _maven(scratch: Path, repositories: Mapping[str, str] | None) -> Any:
    settings = load_extra("jgo.config").GlobalSettings.load()
    maven = load_extra("jgo.maven")
    if repositories is None:
        repositories = {**load_extra("jgo.maven._core").DEFAULT_REMOTE_REPOS, **settings.repositories}
    return maven.MavenContext(
        repo_cache=scratch, local_repos=[settings.repo_cache], remote_repos=dict(repositories)
    )


def _fetch(jar: Jar, maven: Any, directory: Path, progress: Progress, task: TaskID) -> None:
    artifact = maven.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    attempts = Retrying(
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_exponential_jitter(0.2, 2),
        retry=retry_if_exception_type((OSError, RuntimeError)),
        before_sleep=lambda _: artifact.cached_path.unlink(missing_ok=True),
        reraise=True,
    )
    found = attempts(artifact.resolve)
    if hashlib.sha256(found.read_bytes()).hexdigest() != jar.sha256:
        raise _WrongJarError(f"{jar.filename} has not the SHA-256 that {_LOCK.name} names")
    staged = artifact.cached_path.with_suffix(".checked")
    staged.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(found, staged)
    staged.replace(directory / jar.filename)
    progress.advance(task, jar.size)


def _failed(error: BaseException, jars: Iterable[Jar], directory: Path) -> DownloadFailed:
    missing = sum(not _is_there(directory, jar) for jar in jars)
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return DownloadFailed(
        f"Apache Kafka {KAFKA_VERSION} cannot be fetched ({missing} jars are missing in {directory}: "
        f"{reason}): "
        "connect this machine to Maven Central, or name a mirror as `central` under [repositories] in jgo's "
        "settings file, and run it again"
    )
