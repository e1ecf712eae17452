"""Sockets that the service manager holds for the daemon: they accept while it restarts.

Source: sd_listen_fds(3), systemd.socket(5). A socket named like a [[listen]] block replaces that
block's address; what the configuration was checked for is checked once more on the real socket.
"""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from vncproxy.addresses import TcpAddress, UnixAddress, parse_address
from vncproxy.config.model import Listen
from vncproxy.errors import ConfigError, ConfigProblem
from vncproxy.languages.text import Text

FIRST_DESCRIPTOR = 3
"""SD_LISTEN_FDS_START."""
_UNNAMED = "unknown"
"""What systemd calls a socket without a name."""
_WHERE = Text("socket activation")


@dataclass(frozen=True, slots=True)
class Entrance:
    """Where a door really is.

    Args:
        listen: Its block, with the address of `socket` if there is one.
        socket: Listens already, and is the service manager's to remove.
    """

    listen: Listen
    socket: socket.socket | None = None


def entrances(
    doors: Sequence[Listen],
    environ: Mapping[str, str],
    *,
    first_descriptor: int = FIRST_DESCRIPTOR,
) -> list[Entrance]:
    """Every door, those with the sockets that were passed to this process.

    Raises:
        ConfigError: With all mistakes - a socket of another name or kind, two of one name, or one
            where the door may not be: `open` outside of this machine, no TLS on the network.
    """
    problems: list[ConfigProblem] = []
    by_name = {door.name: door for door in doors}
    passed: dict[str, socket.socket] = {}
    found: dict[str, Entrance] = {}
    for descriptor, name in _passed(environ, first_descriptor):
        try:
            os.set_inheritable(descriptor, False)
            sock = socket.socket(fileno=descriptor)
        except OSError as fault:
            problems.append(
                _problem(
                    name, Text("no socket ({reason})", reason=fault.strerror), Text("a socket")
                )
            )
            continue
        if name in passed:
            problems.append(
                _problem(
                    name,
                    Text("two sockets of this name"),
                    Text("one for each door: ListenStream= in two units"),
                )
            )
            sock.close()
            continue
        passed[name] = sock
        if name not in by_name:
            names = ", ".join(by_name)
            problems.append(
                _problem(
                    name,
                    Text("no door of this name"),
                    Text(
                        "FileDescriptorName= with the name of a [[listen]] block: {names}",
                        names=names,
                    ),
                )
            )
            continue
        try:
            found[name] = _entrance(by_name[name], sock)
        except _UnfitError as unfit:
            problems.append(_problem(name, unfit.found, unfit.expected))
    if problems:
        for sock in passed.values():
            sock.close()
        raise ConfigError(problems)
    return [found.get(door.name, Entrance(door)) for door in doors]


def _passed(environ: Mapping[str, str], first: int) -> list[tuple[int, str]]:
    """Descriptors and names, none where they are meant for another process."""
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal():
        return []
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    return [
        (first + index, (names[index] if index < len(names) else "") or _UNNAMED)
        for index in range(int(count))
    ]


class _UnfitError(Exception):
    """A socket that a door can't be."""

    def __init__(self, found: str, expected: str) -> None:
        super().__init__(found)
        self.found = found
        self.expected = expected


def _entrance(door: Listen, sock: socket.socket) -> Entrance:
    if sock.type != socket.SOCK_STREAM or not sock.getsockopt(
        socket.SOL_SOCKET, socket.SO_ACCEPTCONN
    ):
        raise _UnfitError(
            Text("a socket that doesn't listen"), Text("ListenStream=, with Accept=no")
        )
    address = _address(sock)
    if isinstance(address, UnixAddress):
        _check_unix(door, address)
    else:
        _check_tcp(door, address)
    sock.setblocking(False)
    return Entrance(msgspec.structs.replace(door, address=str(address)), sock)


def _address(sock: socket.socket) -> TcpAddress | UnixAddress:
    name = sock.getsockname()
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        return TcpAddress(str(name[0]).partition("%")[0], int(name[1]))
    if sock.family == socket.AF_UNIX and isinstance(name, str) and name.startswith("/"):
        try:
            address = parse_address(f"unix:{name}")
        except ValueError as fault:
            raise _UnfitError(f"{name} ({fault})", Text("a path that a door may have")) from fault
        assert isinstance(address, UnixAddress)
        return address
    raise _UnfitError(Text("neither TCP nor a Unix socket with a path"), Text("one of these"))


def _check_tcp(door: Listen, address: TcpAddress) -> None:
    if address.loopback:
        return
    if door.access == "open":
        raise _UnfitError(
            Text("{address}, with access = 'open'", address=address), Text("a loopback address")
        )
    if door.certificate is None and not door.insecure:
        raise _UnfitError(
            Text("{address}, without certificate and key", address=address),
            Text("certificate and key, a loopback address, or insecure = true"),
        )


def _check_unix(door: Listen, address: UnixAddress) -> None:
    if door.certificate is not None:
        raise _UnfitError(
            Text("{address}, with a certificate", address=address),
            Text("TCP: a Unix socket has no TLS"),
        )
    if door.access == "open" and (mode := _mode(address.path)) & 0o077:
        raise _UnfitError(
            Text(
                "{address} of mode {mode}, with access = 'open'",
                address=address,
                mode=f"{mode:04o}",
            ),
            Text("SocketMode=0600: only the socket's owner may come in unasked"),
        )


def _mode(path: Path) -> int:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError as fault:
        raise _UnfitError(
            f"{path} ({fault.strerror})", Text("a path that can be looked at")
        ) from fault


def _problem(name: str, found: str, expected: str) -> ConfigProblem:
    return ConfigProblem(_WHERE, name, found, expected)
