"""What must hold from the installation to the first reboot, in this order."""

from __future__ import annotations

import grp
import json
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import ssl
import stat
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from tests.authority import Authority
from tests.boot import bastion, cloud, probe
from tests.boot.bastion import ACCOUNTS_PORT, PROXY_PORT, SECRET, SELF_MADE, SETTINGS, TLS_PORT
from tests.boot.machine import (
    BIN,
    DOOR,
    PYTHON,
    SERVICE,
    SOCKET,
    TOKEN,
    UNIX_DOOR,
    WAIT_S,
    as_account,
    ask,
    ask_as,
    bearer,
    journal,
    main_pid,
    must,
    nobody_answers,
    run,
    serves,
    status_text,
    unit,
    until,
)
from tests.boot.name_server import ADDRESS
from vncproxy.throttle.reconnect_budget import WINDOW_S

CHECKOUT = Path("/root/vncproxy")
README = CHECKOUT / "systemd" / "README.md"
STATE = Path("/var/lib/vncproxy")
AUDIT = STATE / "audit.jsonl"
BASE = "http://127.0.0.1:6080"
START_LIMIT_S = 10
"""systemd's own limit: five starts in this."""
signers: list[Authority] = []


def readme_block(after: str) -> list[str]:
    """The lines of the first shell block after some words of systemd/README.md."""
    _, _, rest = README.read_text().partition(after)
    return rest.partition("```sh\n")[2].partition("```")[0].splitlines()


def the_service_is_installed_as_readme_says() -> str:
    """Its commands, but for the first four: the program came with the disk."""
    lines = readme_block("## Install")
    assert all(line.startswith("sudo /opt/vncproxy/bin/pip install ") for line in lines[1:4])
    output = must("bash", "-euxc", "\n".join([f"cd {CHECKOUT}", *lines[4:]]))
    (address,) = re.findall(r"^http\S+$", output, flags=re.MULTILINE)
    assert address.startswith(f"{BASE}/enter#")
    assert serves()
    assert must("systemctl", "is-enabled", SERVICE, DOOR).split() == ["enabled", "enabled"]
    return f"ready after {seconds_to_start():.0f} s"


def seconds_to_start() -> float:
    """From the start of the process until systemd learned that it is ready."""
    began, ready = unit(SERVICE, "ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
    return (int(ready) - int(began)) / 1e6


def systemd_knows_it_and_finds_no_fault() -> str:
    """Type, status, exposure, modes."""
    assert unit(SERVICE, "Type", "NRestarts", "Result") == ("notify", "0", "success")
    assert status_text() == "no console open"
    assert run("systemd-analyze", "verify", SERVICE, DOOR).output.strip() == ""
    output = must("systemd-analyze", "security", "--no-pager", SERVICE)
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", output)
    assert f"is {exposure}." in README.read_text()
    for path, owner, group, mode in (
        (STATE, "vncproxy", "vncproxy", 0o700),
        (TOKEN, "vncproxy", "vncproxy", 0o600),
        (AUDIT, "vncproxy", "vncproxy", 0o600),
        (STATE / "ledger.sqlite", "vncproxy", "vncproxy", 0o600),
        (SETTINGS.parent, "root", "vncproxy", 0o750),
        (SETTINGS, "root", "vncproxy", 0o640),
        (SETTINGS.parent / "environment", "root", "root", 0o600),
        (SOCKET.parent, "vncproxy", "vncproxy", 0o755),
    ):
        is_of(path, owner, group, mode)
    return f"exposure {exposure}"


def is_of(path: Path, owner: str, group: str, mode: int) -> None:
    """Make sure of a file's owner, group and mode."""
    found = path.stat()
    names = (pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name)
    assert (*names, stat.S_IMODE(found.st_mode)) == (owner, group, mode), f"{path}: {found}"


def every_kind_of_door_opens() -> None:
    """Two that systemd holds, four that the daemon opens; sockets belong to their group."""
    signers.append(cloud.authority())
    cloud.start(signers[0])
    bastion.settle(signers[0])
    assert serves()
    is_of(SOCKET, "root", "vncproxy-users", 0o660)
    is_of(SELF_MADE, "vncproxy", "vncproxy-users", 0o660)
    assert ask(6080, "/healthz").status == 200


def the_sandbox_holds_and_lets_it_work() -> str:
    """What a program sees that runs as the daemon does."""
    found = json.loads(probe.FOUND.read_text())
    uid = pwd.getpwnam("vncproxy").pw_uid
    wanted = {
        "uid": uid,
        "owner_by_netlink": uid,
        "ids": ["0", "0", "4294967295"],
        "capabilities": 0,
        "no_new_privileges": "1",
        "seccomp": "2",
        "name": ADDRESS,
        "key": True,
        "environment_file": "PermissionError",
        "change_settings": "OSError",
        "change_program": "OSError",
        "make_socket": "",
        "homes": "PermissionError",
        "others": "FileNotFoundError",
        "packets": "OSError",
        "user_namespace": "PermissionError",
        "writable_code": "PermissionError",
    }
    authorities = found.pop("authorities")
    odd = {name: found[name] for name in wanted if found[name] != wanted[name]}
    assert not odd, f"{odd}; expected { ({name: wanted[name] for name in odd}) }"
    assert authorities > 100
    return f"{authorities} authorities"


def the_check_recipe_works() -> None:
    """The document's systemd-run line: credentials, the API through DNS and TLS, the permission."""
    (line,) = readme_block("need the credentials as well")
    output = must("bash", "-euc", f"{line} web-1")
    assert "FAIL" not in output, output
    assert "permission" in output, output


@contextmanager
def viewer(base: str = BASE, account: str | None = None) -> Iterator[subprocess.Popen[str]]:
    """A viewer that shows the whole screen."""
    command = [PYTHON, "-m", "tests.boot.viewer", base, "web-1", str(10 * WAIT_S)]
    environ = dict(os.environ)
    if account is None:
        environ["VIEWER_TOKEN"] = TOKEN.read_text().strip()
    else:
        command = as_account(account, command)
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            output = process.stdout.readline()
            assert output == "painted 320 320\n", f"the viewer said {output!r}"
            yield process
        finally:
            process.terminate()


def last_words(process: subprocess.Popen[str]) -> str:
    """What a viewer says at its end."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def a_console_opens_and_systemd_says_so() -> None:
    """Through the simulated cloud, over wss; the figures of /proc are among the metrics."""
    with viewer():
        until(lambda: status_text() == "1 console open, 1 viewer", "the status")
        text = ask(6080, "/metrics", bearer()).text
        for name in ("process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds"):
            assert re.search(rf"^{name}\S* [1-9]", text, flags=re.MULTILINE), name


def the_kernel_says_who_comes() -> None:
    """Through systemd's socket, the daemon's own, and loopback TCP."""
    for place in (SOCKET, SELF_MADE, ACCOUNTS_PORT):
        for account, role in (("ann", "watch"), ("bob", "control")):
            answer = ask_as(account, place, "/api/v1/instances").json
            rows = answer["instances"]
            assert isinstance(rows, list)
            found = (answer["user"], [row["role"] for row in rows])
            assert found == (account, [role]), f"{place}: {answer}"
        assert ask(place, "/api/v1/instances").status == 401
    program = f"import socket; socket.socket(socket.AF_UNIX).connect({str(SOCKET)!r})"
    output = run(*as_account("carl", [PYTHON, "-c", program])).output
    assert "PermissionError" in output, output
    assert ask_as("carl", ACCOUNTS_PORT, "/api/v1/instances").json["user"] == "carl"


def the_credential_is_read() -> None:
    """The header door's secret is where LoadCredential= puts it."""
    for secret, status in ((SECRET, 200), ("wrong", 401)):
        headers = {"X-Forwarded-User": "carl", "X-Vncproxy-Secret": secret}
        assert ask(PROXY_PORT, "/api/v1/instances", headers).status == status


def a_session_is_recorded() -> str:
    """Bob's rule says so; the file is the service's alone."""
    with viewer(f"http://localhost:{ACCOUNTS_PORT}", "bob"):
        pass
    folder = STATE / "recordings"
    until(lambda: any(file.stat().st_size for file in folder.iterdir()), "a recording")
    (file, *_) = folder.iterdir()
    is_of(file, "vncproxy", "vncproxy", 0o600)
    return must(f"{BIN}/vncproxy", "replay", "--info", str(file)).splitlines()[0]


def reload(expected: str) -> None:
    """`systemctl reload`, and what the status says then."""
    must("systemctl", "reload", SERVICE)
    until(lambda: re.search(expected, status_text()) and serves(), f"a status like {expected!r}")


def a_reload_is_taken_whole_or_refused() -> str:
    """The status says what was wrong, and that it is over; viewers stay."""
    good = SETTINGS.read_text()
    pid = main_pid()
    try:
        with viewer() as process:
            SETTINGS.write_text(f"{good}\n[limits]\nlinger = 'long'\n")
            reload("1 viewer; the reload was refused, all is as before: .*linger")
            output = status_text()
            SETTINGS.write_text(f"{good}\n[limits]\nlinger = 31\n")
            reload("^1 console open, 1 viewer$")
            door = "[[listen]]\nname = 'new'\naddress = '127.0.0.1:6083'\n"
            SETTINGS.write_text(f"{good}\n{door}")
            reload("1 viewer; a restart is needed for .*listen")
            SETTINGS.write_text(good)
            reload("^1 console open, 1 viewer$")
            assert process.poll() is None
    finally:
        SETTINGS.write_text(good)
    assert main_pid() == pid
    return output


def serial_number() -> str:
    """Of the certificate that the TLS door shows."""
    context = ssl.create_default_context()
    with (
        socket.create_connection(("127.0.0.1", TLS_PORT), timeout=WAIT_S) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        shown = secured.getpeercert()
    assert shown is not None
    return str(shown["serialNumber"])


def a_renewed_certificate_is_shown() -> None:
    """After a reload, in the same files."""
    before = serial_number()
    bastion.renew_certificate(signers[0])
    assert serial_number() == before
    must("systemctl", "reload", SERVICE)
    until(lambda: serial_number() != before, "the new certificate")


def ledger() -> dict[str, tuple[str, float]]:
    """Epoch and time of the dials on record, by their ids.

    That a booking was dialled with is written up to a second later: all of them are here, since
    each counts as a dial until it is known to be none.
    """
    with closing(sqlite3.connect(f"file:{STATE}/ledger.sqlite?mode=ro", uri=True)) as database:
        rows = database.execute("SELECT id, epoch, at FROM booking").fetchall()
    return {booking_id: (epoch, at) for booking_id, epoch, at in rows}


def still_known(before: Mapping[str, tuple[str, float]]) -> int:
    """Make sure that dials are still on record; how many.

    With each booking, those that lie a minute before it are deleted. On a slow machine that is all
    of `before` as soon as another console opens: to be asked earlier.
    """
    now = ledger()
    forgettable = max((at for _, at in now.values()), default=0.0) - WINDOW_S
    due = {one for one, (_, at) in before.items() if at > forgettable}
    assert due, f"no dial of {before} can be on record still, beside {now}"
    assert due <= now.keys(), f"{due - now.keys()} lost of {before}; there are {now}"
    return len(due)


class Callers:
    """Programs that ask all the time; none may be refused."""

    def __init__(self, *places: int | Path) -> None:
        """Not yet.

        Args:
            *places: Ports on loopback and Unix sockets.
        """
        self.answered = 0
        self.longest_s = 0.0
        self.faults: list[str] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(place,)) for place in places]

    def __enter__(self) -> Callers:
        """Begin."""
        for thread in self._threads:
            thread.start()
        until(lambda: self.answered >= len(self._threads), "the first answers")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, place: int | Path) -> None:
        while not self._over.wait(0.1):
            began = time.monotonic()
            try:
                status = ask(place, "/healthz").status
                if status != 200:
                    self.faults.append(f"{place}: {status}")
            except OSError as fault:
                self.faults.append(f"{place}: {fault!r}")
            self.answered += 1
            self.longest_s = max(self.longest_s, time.monotonic() - began)


def a_restart_refuses_nobody() -> str:
    """Connections wait at systemd's sockets, viewers get 1012, a new one finds its console."""
    pid = main_pid()
    with viewer() as process, Callers(6080, SOCKET) as callers:
        dialled = ledger()
        must("systemctl", "restart", SERVICE)
        assert last_words(process) == "closed 1012"
        again = ledger()
        assert dialled and again.keys() == dialled.keys(), f"{dialled} became {again}"
        with viewer():
            pass
        assert not callers.faults, callers.faults
    assert main_pid() != pid
    is_of(SOCKET, "root", "vncproxy-users", 0o660)
    return f"the longest wait of {callers.answered} was {callers.longest_s:.1f} s"


def a_stop_is_in_time() -> str:
    """With a viewer on; systemd doesn't have to kill. Who comes then starts it again."""
    with viewer() as process:
        began = time.monotonic()
        output = must("systemctl", "stop", SERVICE)
        took_s = time.monotonic() - began
        assert last_words(process) == "closed 1012"
    assert unit(SERVICE, "ActiveState", "Result") == ("inactive", "success")
    assert DOOR in output
    assert ask(6080, "/healthz").status == 200
    until(serves, "the service, started by a connection")
    must("systemctl", "stop", DOOR, UNIX_DOOR, SERVICE)
    nobody_answers(6080)
    must("systemctl", "start", SERVICE)
    assert unit(DOOR, "ActiveState") == unit(UNIX_DOOR, "ActiveState") == ("active",)
    return f"{took_s:.1f} s"


def a_wrong_configuration_is_not_tried_again() -> str:
    """Status 78 ends it; a mended file and a restart open all doors, even those that gave up."""
    good = SETTINGS.read_text()
    SETTINGS.write_text(f"nonsense = 1\n{good}")
    shipped = unit(DOOR, "TriggerLimitIntervalUSec", "TriggerLimitBurst")
    assert shipped == ("1min", "5"), f"the door's limit: {shipped}"
    # A slow machine takes more than a minute for so many starts.
    bastion.drop_in("limit", "TriggerLimitIntervalSec=600\nTriggerLimitBurst=2", DOOR, "Socket")
    try:
        assert run("systemctl", "restart", SERVICE).status != 0
        found = unit(SERVICE, "ActiveState", "ExecMainStatus", "NRestarts")
        assert found == ("failed", "78", "0"), found
        assert "nonsense" in must("journalctl", "--no-pager", "--output=cat", "--lines=20")
        with socket.create_connection(("127.0.0.1", 6080), timeout=WAIT_S):
            took_s = until(lambda: unit(DOOR, "ActiveState") == ("failed",), "a door that closes")
        (result,) = unit(DOOR, "Result")
    finally:
        SETTINGS.write_text(good)
        shutil.rmtree(bastion.UNITS / f"{DOOR}.d")
        must("systemctl", "daemon-reload")
    time.sleep(START_LIMIT_S)
    must("systemctl", "restart", SERVICE)
    assert unit(DOOR, "ActiveState") == unit(UNIX_DOOR, "ActiveState") == ("active",)
    assert ask(6080, "/healthz").status == 200
    return f"the door closed after {took_s:.0f} s: {result}"


def a_crash_is_survived() -> str:
    """Killed, it comes back with what it knew: its ledger, and a session's console."""
    with viewer():
        pid, before = main_pid(), ledger()
        os.kill(pid, signal.SIGKILL)
    until(lambda: serves() and main_pid() not in (0, pid), "its successor")
    kept = still_known(before)
    assert int(unit(SERVICE, "NRestarts")[0]) == 1
    with viewer():
        pass
    return f"{kept} dials kept"


def the_kernel_ends_one_that_takes_too_much_memory() -> str:
    """By the unit's limit; systemd starts it again, with what it knew, and the limit as before."""
    group = Path("/sys/fs/cgroup") / unit(SERVICE, "ControlGroup")[0].lstrip("/")
    limit, wanted = int((group / "memory.max").read_text()), int(unit(SERVICE, "MemoryMax")[0])
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert limit == wanted < memory, f"the kernel has {limit}, systemd {wanted}, of {memory} bytes"
    restarts = int(unit(SERVICE, "NRestarts")[0])
    with viewer():
        pid, before = main_pid(), ledger()
        # Below what it uses, in place of a daemon that grows until it meets the limit.
        (group / "memory.max").write_text(str(16 * 2**20))
        until(lambda: main_pid() != pid, "its end")
    until(lambda: serves() and main_pid() not in (0, pid), "its successor")
    kept = still_known(before)
    text = journal("--lines=50")
    assert "oom-kill" in text, f"it ended in another way: {text[-1500:]}"
    (restarted,) = unit(SERVICE, "NRestarts")
    assert int(restarted) == restarts + 1, f"restarted {restarted} times, {restarts} before"
    limit_now = int((group / "memory.max").read_text())
    assert limit_now == limit, f"the limit was {limit} and is {limit_now}"
    with viewer():
        pass
    return f"the limit is {limit // 2**20} MiB; {kept} dials kept"


def the_watchdog_ends_one_that_hangs() -> str:
    """A stopped process gives no signs of life; systemd replaces it."""
    bastion.drop_in("watchdog", "WatchdogSec=12\nTimeoutAbortSec=3")
    must("systemctl", "restart", SERVICE)
    pid = main_pid()
    os.kill(pid, signal.SIGSTOP)
    took_s = until(lambda: serves() and main_pid() not in (0, pid), "its successor")
    assert "Watchdog timeout" in journal("--lines=50")
    (bastion.DROP_INS / "watchdog.conf").unlink()
    must("systemctl", "daemon-reload")
    must("systemctl", "restart", SERVICE)
    return f"after {took_s:.0f} s"


def the_audit_is_whole_and_the_journal_keeps_quiet() -> str:
    """The newest head in the journal is the file's; no secret is in the journal."""
    must("systemctl", "stop", SERVICE)
    head_line = rf'"event":"audit.head","file":"{AUDIT}".*"hash":"([0-9a-f]{{64}})"'
    heads = re.findall(head_line, journal())
    verdict = must(f"{BIN}/vncproxy", "audit", "verify", str(AUDIT), "--head", heads[-1])
    must("systemctl", "start", SERVICE)
    text = must("journalctl", "--no-pager", "--output=cat", f"--unit={SERVICE}")
    for secret in (*cloud.SECRETS, SECRET, TOKEN.read_text().strip()):
        assert secret not in text
    assert not re.search(r"[?&]token=(?!\W|redacted)\w{8}", text)
    assert "Traceback" not in text
    return verdict.strip()


def there_is_something_to_remember() -> str:
    """Dials in the ledger, and an audit, for the boot that comes."""
    with viewer():
        pass
    shutil.copy(AUDIT, "/opt/check/audit-before")
    dials = ledger()
    assert dials, "no dial is on record"
    Path("/opt/check/ledger-before").write_text(json.dumps(dials))
    return f"{len(dials)} dials"


CHECKS = (
    the_service_is_installed_as_readme_says,
    systemd_knows_it_and_finds_no_fault,
    every_kind_of_door_opens,
    the_sandbox_holds_and_lets_it_work,
    the_check_recipe_works,
    a_console_opens_and_systemd_says_so,
    the_kernel_says_who_comes,
    the_credential_is_read,
    a_session_is_recorded,
    a_reload_is_taken_whole_or_refused,
    a_renewed_certificate_is_shown,
    a_restart_refuses_nobody,
    a_stop_is_in_time,
    a_wrong_configuration_is_not_tried_again,
    a_crash_is_survived,
    the_kernel_ends_one_that_takes_too_much_memory,
    the_watchdog_ends_one_that_hangs,
    the_audit_is_whole_and_the_journal_keeps_quiet,
    there_is_something_to_remember,
)
