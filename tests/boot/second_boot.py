"""What must hold after the reboot, without anybody's help."""

from __future__ import annotations

import json
from pathlib import Path

from tests.boot.first_boot import AUDIT, is_of, ledger, viewer
from tests.boot.machine import (
    BIN,
    DOOR,
    SERVICE,
    SOCKET,
    UNIX_DOOR,
    ask_as,
    must,
    run,
    serves,
    unit,
    until,
)


def everything_comes_up_by_itself() -> None:
    """Service and sockets; the Unix socket is its group's."""
    until(serves, "the service")
    assert unit(DOOR, "ActiveState") == unit(UNIX_DOOR, "ActiveState") == ("active",)
    restarts, failed = (
        unit(SERVICE, "NRestarts"),
        run("systemctl", "--failed", "--no-legend").output,
    )
    assert (restarts, failed.strip()) == (("0",), ""), f"restarts {restarts}, failed: {failed}"
    is_of(SOCKET, "root", "vncproxy-users", 0o660)
    assert ask_as("ann", SOCKET, "/api/v1/instances").json["user"] == "ann"


def the_ledger_outlives_the_boot() -> str:
    """Dials of the last boot count as made when this one made its first."""
    before = json.loads(Path("/opt/check/ledger-before").read_text())
    kept = ledger()
    assert before.keys() == kept.keys(), f"{before} became {kept}"
    with viewer():
        now = ledger()
        assert len(now) == len(before) + 1, f"{before} became {now}"
        epochs = {epoch for epoch, _ in now.values()}
        assert len(epochs) == 1, f"dials of several boots: {now}"
        assert not epochs & {epoch for epoch, _ in before.values()}, f"as in the last boot: {now}"
    return f"{len(before)} dials of before"


def the_audit_goes_on() -> str:
    """As one chain."""
    before, now = Path("/opt/check/audit-before").read_bytes(), AUDIT.read_bytes()
    assert now.startswith(before)
    assert b'"event":"start"' in now[len(before) :]
    return must(f"{BIN}/vncproxy", "audit", "verify", str(AUDIT)).splitlines()[0]


CHECKS = (everything_comes_up_by_itself, the_ledger_outlives_the_boot, the_audit_goes_on)
