"""What the service manager gets."""

from __future__ import annotations

import os
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from vncproxy.observe.sd_notify import Notifier, watchdog_interval_s

pytestmark = pytest.mark.sockets


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """A datagram socket like the service manager's, and the address as it is announced."""
    name = f"vncproxy-test-{uuid.uuid4()}"
    address = f"@{name}" if request.param == "abstract" else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
        bound.bind(address.replace("@", "\0"))
        bound.settimeout(5)
        yield address, bound


def test_the_states_arrive(manager: tuple[str, socket.socket]) -> None:
    """Ready, a status and stopping are each one datagram of assignments."""
    address, bound = manager
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": address})
    assert notifier.ready("Serving on 127.0.0.1:6080")
    assert notifier.status("3 consoles\nWATCHDOG=1")
    assert notifier.stopping()
    assert [bound.recv(500).decode() for _ in range(3)] == [
        "READY=1\nSTATUS=Serving on 127.0.0.1:6080",
        "STATUS=3 consoles WATCHDOG=1",
        "STOPPING=1",
    ]


def test_a_reload_and_a_sign_of_life_arrive(manager: tuple[str, socket.socket]) -> None:
    """A reload carries the monotonic time in microseconds, by which systemd orders reloads."""
    address, bound = manager
    notifier = Notifier.from_environ({"NOTIFY_SOCKET": address})
    before_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert notifier.reloading()
    assert notifier.alive()
    first, _, second = bound.recv(500).decode().partition("\n")
    assert first == "RELOADING=1"
    assert before_us <= int(second.removeprefix("MONOTONIC_USEC=")) <= before_us + 60_000_000
    assert bound.recv(500) == b"WATCHDOG=1"


def test_how_often_the_service_manager_wants_a_sign_of_life() -> None:
    """Its microseconds as seconds; nothing where it doesn't watch, or watches another process."""
    pid = str(os.getpid())
    assert watchdog_interval_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": pid}) == 30.0
    assert watchdog_interval_s({"WATCHDOG_USEC": "500000"}) == 0.5
    assert watchdog_interval_s({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}) is None
    for text in ("", "0", "-1", "soon"):
        assert watchdog_interval_s({"WATCHDOG_USEC": text}) is None
    assert watchdog_interval_s({}) is None


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "vsock:2:1"}])
def test_without_a_service_manager_nothing_happens(environ: dict[str, str]) -> None:
    """No socket, no message, no error."""
    assert Notifier.from_environ(environ).ready() is False


def test_a_vanished_service_manager_is_survived(tmp_path: Path) -> None:
    """A socket that is gone, or full, is reported by the result."""
    assert Notifier(str(tmp_path / "gone")).status("x") is False


def test_a_full_socket_never_blocks(manager: tuple[str, socket.socket]) -> None:
    """When nobody reads, the message is dropped instead of stopping the daemon."""
    notifier = Notifier(manager[0])
    results = [notifier.status("x") for _ in range(5000)]
    assert results[0] is True
    assert results[-1] is False
