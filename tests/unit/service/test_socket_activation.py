"""Sockets that the service manager passes."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from vncproxy.config.model import Listen
from vncproxy.errors import ConfigError
from vncproxy.service.socket_activation import Entrance, entrances

pytestmark = pytest.mark.sockets

PLACE = 900
"""Descriptors from here on stand for those from 3 on, which the tests' runner needs itself: far
above those that are open, and below the usual limit of 1,024."""


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What is open until the test ends."""
    with ExitStack() as opened:
        yield opened


def passed(*sockets: socket.socket, names: str | None = None, **more: str) -> dict[str, str]:
    """The environment in which these were passed; the originals are closed."""
    for index, sock in enumerate(sockets):
        os.dup2(sock.fileno(), PLACE + index)
        sock.close()
    found = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets)), **more}
    return found if names is None else {**found, "LISTEN_FDNAMES": names}


def listening(address: Any = ("127.0.0.1", 0), family: int = socket.AF_INET) -> socket.socket:
    """A socket that listens."""
    sock = socket.socket(family)
    sock.bind(address)
    sock.listen()
    return sock


def entered(doors: tuple[Listen, ...], environ: dict[str, str], stack: ExitStack) -> list[Entrance]:
    """The entrances, closed at the end."""
    found = entrances(doors, environ, first_descriptor=PLACE)
    for entrance in found:
        if entrance.socket is not None:
            stack.enter_context(entrance.socket)
    return found


def test_a_socket_replaces_the_address(short_path: Path, stack: ExitStack) -> None:
    """By its name, TCP and Unix, in any order; doors without one keep what the file says."""
    path = short_path / "a.sock"
    tcp, unix = listening(), listening(str(path), socket.AF_UNIX)
    port = tcp.getsockname()[1]
    doors = (
        Listen(name="one", address="127.0.0.1:1"),
        Listen(name="two", address="127.0.0.1:2"),
        Listen(name="three", address="unix:/nowhere"),
    )
    one, two, three = entered(doors, passed(unix, tcp, names="three:one"), stack)
    assert (one.listen.address, two.listen.address) == (f"127.0.0.1:{port}", "127.0.0.1:2")
    assert three.listen.address == f"unix:{path}"
    assert two.socket is None
    assert one.socket is not None and one.socket.getsockname()[1] == port
    assert three.socket is not None and not three.socket.getblocking()
    assert not three.socket.get_inheritable()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1", "LISTEN_FDNAMES": "local"},
        {"LISTEN_FDS": "", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())},
    ],
)
def test_nothing_was_passed(environ: dict[str, str]) -> None:
    """No socket, or those of another process: the doors are as the file says."""
    door = Listen(name="local")
    assert entrances((door,), environ, first_descriptor=PLACE) == [Entrance(door)]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("other", "other: no door of this name.*local"),
        (None, "unknown: no door of this name"),
    ],
)
def test_a_name_that_no_door_has(names: str | None, text: str) -> None:
    """The text says which names there are: the socket would accept for nobody."""
    with pytest.raises(ConfigError) as error:
        entrances((Listen(name="local"),), passed(listening(), names=names), first_descriptor=PLACE)
    (problem,) = error.value.problems
    report = f"{problem.key}: {problem.found}, {problem.expected}"
    assert all(part in report for part in text.split(".*"))


def unfit(door: Listen, *sockets: socket.socket) -> str:
    """What is stated of sockets for this door."""
    environ = passed(*sockets, names=":".join([door.name] * len(sockets)))
    with pytest.raises(ConfigError) as error:
        entrances((door,), environ, first_descriptor=PLACE)
    return error.value.public_text


def test_two_sockets_of_one_name() -> None:
    """A door is one place."""
    assert "two sockets of this name" in unfit(Listen(), listening(), listening())


def test_what_does_not_listen() -> None:
    """A datagram socket, one that was never put to listen, and no socket at all."""
    assert "doesn't listen" in unfit(Listen(), socket.socket(type=socket.SOCK_DGRAM))
    assert "doesn't listen" in unfit(Listen(), socket.socket())
    reader, writer = os.pipe()
    os.close(writer)
    os.dup2(reader, PLACE)
    os.close(reader)
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "local"}
    with pytest.raises(ConfigError, match="no socket"):
        entrances((Listen(),), environ, first_descriptor=PLACE)
    os.close(PLACE)


def test_open_stays_on_this_machine(short_path: Path) -> None:
    """The check of the file is repeated on the socket: 0.0.0.0 and a Unix socket for all."""
    door = Listen(access="open")
    assert "access = 'open'" in unfit(door, listening(("0.0.0.0", 0)))
    path = short_path / "b.sock"
    sock = listening(str(path), socket.AF_UNIX)
    path.chmod(0o666)
    assert "mode 0666" in unfit(door, sock)


def test_an_open_unix_socket_for_its_owner(short_path: Path, stack: ExitStack) -> None:
    """Mode 0600 is what `open` needs."""
    path = short_path / "c.sock"
    sock = listening(str(path), socket.AF_UNIX)
    path.chmod(0o600)
    (found,) = entered((Listen(access="open"),), passed(sock, names="local"), stack)
    assert found.socket is not None


def test_the_network_needs_tls(stack: ExitStack) -> None:
    """A token in the clear is refused, unless the file says insecure."""
    assert "without certificate" in unfit(Listen(), listening(("0.0.0.0", 0)))
    environ = passed(listening(("0.0.0.0", 0)), names="local")
    (found,) = entered((Listen(insecure=True),), environ, stack)
    assert found.listen.address.startswith("0.0.0.0:")
    assert found.socket is not None
    found.socket.close()
    environ = passed(listening(("0.0.0.0", 0)), names="local")
    with_tls = Listen(certificate=Path("/c"), key=Path("/k"))
    assert entered((with_tls,), environ, stack)[0].socket is not None


def test_unix_sockets_that_cannot_be_a_door(short_path: Path) -> None:
    """TLS has no place on one, and an abstract name has no mode."""
    with_tls = Listen(certificate=Path("/c"), key=Path("/k"))
    sock = listening(str(short_path / "d.sock"), socket.AF_UNIX)
    assert "has no TLS" in unfit(with_tls, sock)
    abstract = listening(f"\0vncproxy-test-{os.getpid()}", socket.AF_UNIX)
    assert "neither TCP nor a Unix socket" in unfit(Listen(), abstract)
