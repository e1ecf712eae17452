"""Telling the service manager how the daemon is doing.

Source: sd_notify(3): newline-separated assignments in one datagram to the socket that
`$NOTIFY_SOCKET` names; a leading @ stands for the abstract namespace.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping


class Notifier:
    """Sends states to the service manager, or does nothing where there is none."""

    def __init__(self, address: str | None) -> None:
        """Args: address - a socket's path or @name in the abstract namespace; None: nobody asks."""
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Notifier:
        """The notifier that `$NOTIFY_SOCKET` describes; only Unix sockets are supported."""
        address = environ.get("NOTIFY_SOCKET", "")
        return cls(address if address.startswith(("/", "@")) else None)

    def ready(self, status: str = "") -> bool:
        """The daemon serves. Returns: whether the message was handed over."""
        return self._send(["READY=1", *_status(status)])

    def status(self, text: str) -> bool:
        """One line for `systemctl status`. Returns: whether it was handed over."""
        return self._send(_status(text))

    def stopping(self, status: str = "") -> bool:
        """The daemon is on its way out. Returns: whether the message was handed over."""
        return self._send(["STOPPING=1", *_status(status)])

    def _send(self, lines: list[str]) -> bool:
        if not self._address or not lines:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as out:
                out.connect(self._address)
                out.send("\n".join(lines).encode())
        except OSError:
            return False
        return True


def _status(text: str) -> list[str]:
    # A line break would start another assignment.
    return [f"STATUS={' '.join(text.split())}"] if text else []
