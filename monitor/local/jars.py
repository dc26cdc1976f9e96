"""Apache Kafka's jars, each pinned by version, size and SHA-256 in `kafka_jars.lock`, fetched once by jgo."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

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


class _WrongJarError(RuntimeError):
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
    Raises DownloadFailed with one sentence.
    """
    jars = locked_jars()
    fetch_jars(jars, directory, console=console or Console(stderr=True), repositories=repositories)
    return [directory / jar.filename for jar in jars]


def fetch_jars(
    jars: Sequence[Jar],
    directory: Path,
    *,
    console: Console,
    repositories: Mapping[str, str] | None = None,
) -> None:
    """Fetch those of `jars` that `directory` lacks, and show it on `console`.

    A jar comes into `directory` only whole and with the right hash, so many processes may do this at once.
    Raises DownloadFailed with one sentence.
    """
    missing = [jar for jar in jars if not _is_there(directory, jar)]
    if not missing:
        return
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix="fetch-") as scratch:
            maven, own = _maven(Path(scratch), repositories)
            _fetch_all(missing, console, lambda jar: _fetch(jar, maven, own, directory))
    except (OSError, RuntimeError) as error:
        still = sum(not _is_there(directory, jar) for jar in jars)
        raise DownloadFailed(
            f"Apache Kafka {KAFKA_VERSION} cannot be fetched ({_reason(error)}; {still} of {len(jars)} jars "
            f"are missing in {directory}): connect this machine to Maven Central, or name a mirror as "
            "`central` under [repositories] in jgo's settings file, and run this again"
        ) from error


def _is_there(directory: Path, jar: Jar) -> bool:
    path = directory / jar.filename
    return path.is_file() and path.stat().st_size == jar.size


def _maven(scratch: Path, repositories: Mapping[str, str] | None) -> tuple[Any, Any]:
    """Return two MavenContexts: the remote repositories, and the local one that Maven and jgo share."""
    settings = load_extra("jgo.config").GlobalSettings.load()
    maven = load_extra("jgo.maven")
    if repositories is None:
        repositories = {"central": load_extra("jgo.constants").MAVEN_CENTRAL_URL, **settings.repositories}
    # jgo would print one line a jar over the progress display.
    logging.getLogger("jgo").setLevel(logging.CRITICAL)
    remote = maven.MavenContext(repo_cache=scratch, remote_repos=dict(repositories))
    return remote, maven.MavenContext(repo_cache=settings.repo_cache, offline=True)


def _fetch_all(jars: Sequence[Jar], console: Console, fetch: Callable[[Jar], None]) -> None:
    total = sum(jar.size for jar in jars)
    label = f"Fetching Apache Kafka {KAFKA_VERSION} (once)"
    if not console.is_terminal:
        console.print(f"{label}: {len(jars)} jars, {total / 1e6:.0f} MB", highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with (
        Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress,
        ThreadPoolExecutor(_PARALLEL) as pool,
    ):
        task = progress.add_task(label, total=total)
        try:
            for jar, _ in zip(jars, pool.map(fetch, jars), strict=True):
                progress.advance(task, jar.size)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _fetch(jar: Jar, remote: Any, own: Any, directory: Path) -> None:
    here = _artifact(jar, own).cached_path
    artifact = _artifact(jar, remote)
    if here.is_file() and _sha256(here) == jar.sha256:
        artifact.cached_path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(here, artifact.cached_path)
    attempts = Retrying(
        stop=stop_after_attempt(_ATTEMPTS),
        wait=wait_exponential_jitter(multiplier=0.2, max=1, jitter=0.2),
        retry=retry_if_exception_type((OSError, RuntimeError)),
        before_sleep=lambda _: artifact.cached_path.unlink(missing_ok=True),
        reraise=True,
    )
    attempts(_resolve, artifact, jar).replace(directory / jar.filename)


def _artifact(jar: Jar, maven: Any) -> Any:
    return maven.project(jar.group, jar.artifact).at_version(jar.version).artifact()


def _resolve(artifact: Any, jar: Jar) -> Path:
    found: Path = artifact.resolve()
    if _sha256(found) != jar.sha256:
        raise _WrongJarError(f"{jar.filename} is not the one that {_LOCK.name} pins by SHA-256")
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(error: Exception) -> str:
    address = getattr(getattr(error, "request", None), "url", None)
    if address:
        return f"{type(error).__name__} at {urlsplit(address).netloc}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__
