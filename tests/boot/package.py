"""What must hold of the Debian package, in the second boot: it comes, is upgraded, goes."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from tests.boot import cloud
from tests.boot.bastion import DROP_INS, SETTINGS, UNITS
from tests.boot.first_boot import (
    AUDIT,
    STATE,
    Callers,
    is_of,
    last_words,
    ledger,
    still_known,
    viewer,
)
from tests.boot.machine import (
    DOOR,
    SERVICE,
    TOKEN,
    UNIX_DOOR,
    main_pid,
    must,
    nobody_answers,
    run,
    serves,
    unit,
)

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
    states_are("LoadState", "not-found")


def states_are(kind: str, wanted: str) -> None:
    """Make sure of one property of both units."""
    found = [unit(name, kind)[0] for name in (SERVICE, DOOR)]
    assert found == [wanted] * 2, f"{kind} of {SERVICE}, {DOOR}: {found}"


def the_package_is_installed() -> None:
    """Nothing runs until it is configured; then a console opens."""
    must("dpkg", "--install", str(PACKAGES / "first.deb"))
    states_are("LoadState", "loaded")
    states_are("ActiveState", "inactive")
    enabled = run("systemctl", "is-enabled", SERVICE, DOOR).output.split()
    assert enabled == ["disabled"] * 2, f"is-enabled of {SERVICE}, {DOOR}: {enabled}"
    is_of(SETTINGS, "root", "vncproxy", 0o640)
    is_of(SETTINGS.parent / "environment", "root", "root", 0o600)
    with SETTINGS.open("a") as file:
        file.write(f'\n[aliyun]\nendpoint = "{cloud.ENDPOINT}"\n')
    (SETTINGS.parent / "environment").write_text(cloud.ENVIRONMENT)
    must("systemctl", "enable", "--now", DOOR, SERVICE)
    assert serves(), run("systemctl", "status", "--no-pager", SERVICE).output
    address = must("vncproxy", "url", "web-1")
    assert address.startswith("http://127.0.0.1:6080/enter#"), address
    with viewer():
        pass


def an_upgrade_keeps_the_port_open() -> str:
    """Nobody is refused while dpkg works; the new version serves, with all that was known."""
    pid, settings, token = main_pid(), SETTINGS.read_text(), TOKEN.read_text()
    with viewer() as process, Callers(6080) as callers:
        before, audit = ledger(), AUDIT.read_bytes()
        began = time.monotonic()
        must("dpkg", "--install", str(PACKAGES / "next.deb"))
        took_s = time.monotonic() - began
        words = last_words(process)
        assert words == "closed 1012", f"the viewer said {words!r}"
        kept = still_known(before)
        with viewer():
            pass
        assert not callers.faults, callers.faults
    now = main_pid()
    assert now not in (0, pid), f"process {pid} became {now}"
    ends = unit(SERVICE, "NRestarts", "Result")
    assert ends == ("0", "success"), f"NRestarts, Result: {ends}"
    text = SETTINGS.read_text()
    assert text == settings, f"the settings are others now: {text[-1500:]}"
    assert TOKEN.read_text() == token, "the owner's token is another one now"
    version = must("dpkg-query", "--show", "--showformat=${Version}", "vncproxy")
    assert version == "99", f"the version is {version}"
    assert AUDIT.read_bytes().startswith(audit), "the audit before the upgrade isn't in it any more"
    must("vncproxy", "audit", "verify", str(AUDIT))
    return (
        f"dpkg took {took_s:.0f} s, the longest wait of {callers.answered} was "
        f"{callers.longest_s:.1f} s; {kept} dials kept"
    )


def a_removal_stops_it_and_keeps_what_it_knew() -> None:
    """Service and socket are gone, for the next boot, too; configuration and state stay."""
    must("dpkg", "--remove", "vncproxy")
    nobody_answers(6080)
    states_are("ActiveState", "inactive")
    failed = run("systemctl", "--failed", "--no-legend").output.strip()
    assert not failed, f"failed: {failed}"
    links = list(UNITS.glob("*.wants/vncproxy*"))
    assert not links, f"the next boot would start {links}"
    gone = [path for path in (SETTINGS, AUDIT) if not path.exists()]
    assert not gone, f"{gone} went, too"


def a_purge_leaves_nothing() -> None:
    """But the account, whose number nobody else may get, and what the checks themselves made."""
    must("dpkg", "--purge", "vncproxy")
    states_are("LoadState", "not-found")
    own = ("/root", "/opt/check", "/proc", "/sys", "/tmp", "/var/log")
    skipped = [word for place in own for word in ("-path", place, "-prune", "-o")]
    found = must(
        "find", "/", "-ignore_readdir_race", *skipped, "-name", "*vncproxy*", "-print"
    ).split()
    assert not found, found


CHECKS = (
    the_installation_by_hand_goes,
    the_package_is_installed,
    an_upgrade_keeps_the_port_open,
    a_removal_stops_it_and_keeps_what_it_knew,
    a_purge_leaves_nothing,
)
