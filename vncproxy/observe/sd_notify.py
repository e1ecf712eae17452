"""Messages to the service manager on how the daemon is doing.

Source: sd_notify(3): newline-separated assignments in one datagram to the socket that
`$NOTIFY_SOCKET` names; a leading @ stands for the abstract namespace.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


class Notifier:
    """Sends states to the service manager, or does nothing where there is none."""

    def __init__(self, address: str | None) -> None:
        """For a socket's path, or @name in the abstract namespace; None: there is no manager."""
        self._address = f"\0{address[1:]}" if address and address.startswith("@") else address

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Notifier:
        """The notifier that `$NOTIFY_SOCKET` describes; only Unix sockets are supported."""
        address = environ.get("NOTIFY_SOCKET", "")
        return cls(address if address.startswith(("/", "@")) else None)

    @property
    def has_manager(self) -> bool:
        """Whether there is one."""
        return bool(self._address)

    def ready(self, status: str = "") -> bool:
        """The daemon serves.

        Returns:
            Whether the message was handed over.
        """
        return self._send(["READY=1", *_status(status)])

    def status(self, text: str) -> bool:
        """One line for `systemctl status`.

        Returns:
            As `ready`.
        """
        return self._send(_status(text))

    def reloading(self) -> bool:
        """The configuration is being read; to be ended by `ready`.

        The time sets this reload apart from earlier ones. Source: sd_notify(3), MONOTONIC_USEC.

        Returns:
            As `ready`.
        """
        now_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        return self._send(["RELOADING=1", f"MONOTONIC_USEC={now_us}"])

    def alive(self) -> bool:
        """The daemon is alive: the service manager's watchdog begins to count anew.

        Returns:
            As `ready`.
        """
        return self._send(["WATCHDOG=1"])

    def stopping(self, status: str = "") -> bool:
        """The daemon has begun to stop.

        Returns:
            As `ready`.
        """
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


def watchdog_interval_s(environ: Mapping[str, str]) -> float | None:
    """Seconds within which the service manager wants to hear `alive`; None: it doesn't watch.

    Source: sd_watchdog_enabled(3): $WATCHDOG_USEC, meant for the process in $WATCHDOG_PID.
    """
    text = environ.get("WATCHDOG_USEC", "")
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(text) / 1e6 if text.isascii() and text.isdecimal() and int(text) > 0 else None


def _status(text: str) -> list[str]:
    # A line break would start another assignment.
    return [f"STATUS={' '.join(text.split())}"] if text else []
