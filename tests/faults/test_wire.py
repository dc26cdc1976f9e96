"""A wire between two parties: what it carries, and when."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest
from fault_wire import DELAY_S, Manner, Wire, wires


@pytest.fixture
def wire() -> Iterator[Wire]:
    """A wire to something that says everything back."""

    def answer(server: socket.socket) -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(near,), daemon=True).start()

    def echo(near: socket.socket) -> None:
        with near:
            while data := near.recv(1024):
                near.sendall(data)

    with socket.create_server(("127.0.0.1", 0)) as server, wires("echo") as made:
        threading.Thread(target=answer, args=(server,), daemon=True).start()
        made["echo"].to_port = server.getsockname()[1]
        yield made["echo"]
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def near(wire: Wire) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", wire.port), timeout=5) as made:
        made.sendall(b"first")
        assert made.recv(1024) == b"first"
        yield made


def test_a_slow_wire_takes_its_time_in_both_directions(wire: Wire, near: socket.socket) -> None:
    wire.bend(Manner.SLOW)
    began = time.monotonic()
    near.sendall(b"late")
    assert near.recv(1024) == b"late"
    assert time.monotonic() - began >= 2 * DELAY_S


def test_a_black_hole_keeps_what_it_gets_until_it_is_open_again(wire: Wire, near: socket.socket) -> None:
    wire.bend(Manner.BLACK)
    near.sendall(b"kept")
    near.settimeout(0.2)
    with pytest.raises(TimeoutError):
        near.recv(1024)
    wire.bend(Manner.OPEN)
    near.settimeout(5)
    assert near.recv(1024) == b"kept"


def test_a_wire_that_is_cut_ends_connections_and_takes_none(wire: Wire, near: socket.socket) -> None:
    wire.bend(Manner.CUT)
    assert ended(near)
    with socket.create_connection(("127.0.0.1", wire.port), timeout=5) as fresh:
        assert ended(fresh)


def ended(near: socket.socket) -> bool:
    try:
        return near.recv(1024) == b""
    except ConnectionResetError:
        return True


def test_every_second_connection_may_be_treated_so(wire: Wire, near: socket.socket) -> None:
    with socket.create_connection(("127.0.0.1", wire.port), timeout=5) as second:
        second.sendall(b"1")
        assert second.recv(1024) == b"1"
        wire.bend(Manner.BLACK, every=2)
        near.sendall(b"through")
        assert near.recv(1024) == b"through"
        second.sendall(b"kept")
        second.settimeout(0.2)
        with pytest.raises(TimeoutError):
            second.recv(1024)
