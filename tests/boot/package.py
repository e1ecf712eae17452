"""What must hold of the Debian package, in the second boot: it comes, is upgraded, goes."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.boot import cloud
from tests.boot.bastion import DROP_INS, SETTINGS, UNITS
from tests.boot.first_boot import AUDIT, STATE, Callers, is_of, last_words, ledger, viewer
from tests.boot.machine import DOOR, SERVICE, UNIX_DOOR, ask, main_pid, must, run, serves, unit

PACKAGES = Path("/opt/check/packages")
"""With first.deb and next.deb, the same with a higher version; missing where none was made."""


def the_installation_by_hand_goes() -> None:
    """Nothing of it is left for the package to find."""
    must("systemctl", "disable", "--now", DOOR, UNIX_DOOR, SERVICE)
    for name in (DOOR, UNIX_DOOR, SERVICE):
        (UNITS / name).unlink()
    for folder in (DROP_INS, SETTINGS.parent, STATE, Path("/run/vncproxy"), Path("/opt/vncproxy")):
        shutil.rmtree(folder)
    for name in ("sysusers.d", "tmpfiles.d"):
        Path(f"/usr/lib/{name}/vncproxy.conf").unlink()
    must("systemctl", "daemon-reload")
    assert unit(SERVICE, "LoadState") == unit(DOOR, "LoadState") == ("not-found",)


def the_package_is_installed() -> None:
    """Nothing runs until it is configured; then a console opens."""
    must("dpkg", "--install", str(PACKAGES / "first.deb"))
    assert unit(SERVICE, "LoadState", "ActiveState") == ("loaded", "inactive")
    assert run("systemctl", "is-enabled", SERVICE, DOOR).output.split() == ["disabled"] * 2
    is_of(SETTINGS, "root", "vncproxy", 0o640)
    is_of(SETTINGS.parent / "environment", "root", "root", 0o600)
    with SETTINGS.open("a") as file:
        file.write(f'\n[aliyun]\nendpoint = "{cloud.ENDPOINT}"\n')
    (SETTINGS.parent / "environment").write_text(cloud.ENVIRONMENT)
    must("systemctl", "enable", "--now", DOOR, SERVICE)
    assert serves()
    assert must("vncproxy", "url", "web-1").startswith("http://127.0.0.1:6080/enter#")
    with viewer():
        pass


def an_upgrade_keeps_the_port_open() -> str:
    """Nobody is refused while dpkg works; the new version serves, with all that was known."""
    pid, settings = main_pid(), SETTINGS.read_text()
    with viewer() as process, Callers(6080) as callers:
        before = set(ledger())
        must("dpkg", "--install", str(PACKAGES / "next.deb"))
        assert last_words(process) == "closed 1012"
        with viewer():
            pass
        assert not callers.faults, callers.faults
    assert main_pid() not in (0, pid)
    assert unit(SERVICE, "NRestarts", "Result") == ("0", "success")
    assert before <= set(ledger())
    assert SETTINGS.read_text() == settings
    assert must("dpkg-query", "--show", "--showformat=${Version}", "vncproxy") == "99"
    must("vncproxy", "audit", "verify", str(AUDIT))
    return f"the longest wait of {callers.answered} was {callers.longest_s:.1f} s"


def a_removal_stops_it_and_keeps_what_it_knew() -> None:
    """Service and socket are gone, for the next boot, too; configuration and state stay."""
    must("dpkg", "--remove", "vncproxy")
    try:
        ask(6080, "/healthz")
    except ConnectionRefusedError:
        pass
    else:
        raise AssertionError("somebody answers")
    assert unit(SERVICE, "ActiveState") == unit(DOOR, "ActiveState") == ("inactive",)
    assert run("systemctl", "--failed", "--no-legend").output.strip() == ""
    assert not list(UNITS.glob("*.wants/vncproxy*"))
    assert SETTINGS.exists()
    assert AUDIT.exists()


def a_purge_leaves_nothing() -> None:
    """But the account, whose number nobody else may get, and what the checks themselves made."""
    must("dpkg", "--purge", "vncproxy")
    assert unit(SERVICE, "LoadState") == unit(DOOR, "LoadState") == ("not-found",)
    own = ("/root", "/opt/check", "/proc", "/sys", "/tmp", "/var/log")
    skipped = [word for place in own for word in ("-path", place, "-prune", "-o")]
    found = must("find", "/", *skipped, "-name", "*vncproxy*", "-print").split()
    assert not found, found


CHECKS = (
    the_installation_by_hand_goes,
    the_package_is_installed,
    an_upgrade_keeps_the_port_open,
    a_removal_stops_it_and_keeps_what_it_knew,
    a_purge_leaves_nothing,
)
