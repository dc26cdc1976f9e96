"""TCP ports on the loopback address."""

import random
import socket
from contextlib import closing

HOST = "127.0.0.1"
# Below the range from which systems give ports to outgoing connections: a client that keeps dialling a
# stopped server there can connect to itself and hold the server's port.
_LOWEST, _HIGHEST = 15_000, 32_000


def free_ports(count: int) -> list[int]:
    """Return distinct ports that nothing listens on now."""
    found: list[int] = []
    while len(found) < count:
        port = random.randint(_LOWEST, _HIGHEST)
        if port not in found and is_free(port):
            found.append(port)
    return found


def is_free(port: int) -> bool:
    """Say whether a server could listen on `port` now."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def accepts(port: int) -> bool:
    """Say whether something accepts connections on `port`."""
    try:
        socket.create_connection((HOST, port), timeout=1).close()
    except OSError:
        return False
    return True
