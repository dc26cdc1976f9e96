"""The HTTP server in a thread with an event loop of its own."""

import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Final

import uvicorn

from monitor.errors import UsageError
from monitor.web.app import web_app
from monitor.web.board import Switchboard
from monitor.web.impatient import ImpatientProtocol
from monitor.web.protect import Rate
from monitor.web.status import Status

MOST_CONNECTIONS: Final = 256
KEEP_ALIVE_S: Final = 5


class WebServer:
    """Serves from `start` until `stop`; started and stopped once, by one thread."""

    def __init__(
        self,
        status: Callable[[], Status],
        *,
        host: str,
        port: int,
        token: str | None,
        board: Switchboard | None = None,
        rate: Rate = Rate(),  # noqa: B008
    ) -> None:
        """Bind `host` and `port` (0: any that is free). Raises UsageError where that cannot be, or must not:
        an address that others can reach needs a token.
        """
        if token is None and not is_loopback(host):
            raise UsageError(
                f"http.host {host} can be reached from other machines, which needs http.token "
                "(or http.token_file): set one, or serve on 127.0.0.1"
            )
        self._socket = _bound(host, port)
        self._server = uvicorn.Server(
            uvicorn.Config(
                web_app(status, token, board, rate),
                loop="asyncio",
                http=ImpatientProtocol,
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                limit_concurrency=MOST_CONNECTIONS,
                timeout_keep_alive=KEEP_ALIVE_S,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)
        address, bound_port = self._socket.getsockname()[:2]
        self.port: int = bound_port
        self.url = f"http://[{address}]:{bound_port}" if ":" in address else f"http://{address}:{bound_port}"

    def start(self) -> None:
        """Return at once: connections are taken from now on, and answered as soon as the loop runs."""
        self._thread.start()

    def stop(self, within_s: float) -> bool:
        """Finish open requests, cut them off in time to end `within_s`; False if the thread still runs."""
        self._server.config.timeout_graceful_shutdown = max(1, int(within_s / 2))
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(within_s / 2)
            self._server.force_exit = True
            self._thread.join(within_s / 2)
        self._socket.close()
        return not self._thread.is_alive()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; a name other than localhost counts as reachable."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bound(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        server = socket.create_server((host, port), family=family, backlog=MOST_CONNECTIONS)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"cannot serve HTTP on {host} port {port}: {reason}; set http.host or http.port"
        ) from None
    return server
