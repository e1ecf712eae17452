"""The commands as programs: what they print, and with which status they end."""

from __future__ import annotations

import io
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.real.peers.process import free_port
from vncproxy import __version__
from vncproxy.cli import COMMANDS, main

pytestmark = pytest.mark.sockets

PROGRAM = (sys.executable, "-m", "vncproxy")
WAIT_S = 60.0
HEAVY = (
    *("aiohttp", "websockets", "structlog", "msgspec", "alibabacloud_credentials", "uvloop"),
    *("prometheus_client", "cryptography", "asyncio", "ssl", "tomllib", "PIL"),
)
_OF_VERSIONS = "email.utils"
"""Needed where the versions of libraries are looked up."""
DEMO_ID = "i-bp1demo0000000000001"
DENIED = {
    "ALIBABA_CLOUD_ACCESS_KEY_ID": "denied-key",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "planted-denied-secret",
}

SIMULATOR = """\
animated = false

[[access_key]]
key_id = "the-key"
secret = "planted-key-secret"

[[access_key]]
key_id = "denied-key"
secret = "planted-denied-secret"
denied_actions = ["DescribeInstanceVncUrl"]

[[instance]]
instance_id = "i-bp1demo0000000000001"
name = "demo"

[[instance]]
instance_id = "i-bp1demo0000000000002"
name = "stopped"
status = "Stopped"
"""


@dataclass(frozen=True)
class Done:
    """A program that has ended."""

    status: int
    out: str
    err: str


def run(*arguments: str, env: Mapping[str, str] | None = None) -> Done:
    """Run a command to its end, as a program of its own."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
        env={**os.environ, **(env or {})},
    )
    assert "Traceback" not in done.stderr, done.stderr
    return Done(done.returncode, done.stdout, done.stderr)


def called(*arguments: str, env: Mapping[str, str] | None = None) -> Done:
    """The same in this process, which is faster."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name, value in (env or {}).items():
            patch.setenv(name, value)
        try:
            status = main(arguments)
        except SystemExit as end:
            assert isinstance(end.code, int)
            status = end.code
    # What the command's own logging writes to is gone now.
    root = logging.getLogger()
    for handler in [h for h in root.handlers if type(h).__module__.startswith("vncproxy")]:
        root.removeHandler(handler)
    return Done(status, out.getvalue(), err.getvalue())


class Program:
    """A program that runs, and what it has sent so far."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        """Read along in threads, so that it never waits for us."""
        self.process = process
        self.lines: list[str] = []
        for stream in (process.stdout, process.stderr):
            threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: Any) -> None:
        with stream:
            for line in stream:
                self.lines.append(line)

    @property
    def log_text(self) -> str:
        """Everything so far."""
        return "".join(self.lines)

    def until(self, pattern: str) -> re.Match[str]:
        """Wait until it says this."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            if found := re.search(pattern, self.log_text):
                return found
            time.sleep(0.02)
        raise AssertionError(f"it never said {pattern}: {self.log_text}")

    def end(self, number: int = signal.SIGTERM) -> int:
        """Its status after this signal, and the seconds that it took are few."""
        self.process.send_signal(number)
        return self.process.wait(WAIT_S)


@contextmanager
def program(*arguments: str, env: Mapping[str, str] | None = None) -> Iterator[Program]:
    """A program in the background, ended in any case."""
    with subprocess.Popen(
        [*PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    ) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


@dataclass(frozen=True)
class Installation:
    """A simulated cloud as a program, and a configuration for it."""

    endpoint: str
    config: Path
    state: Path
    port: int
    env: dict[str, str]

    def run(self, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
        """A command with this configuration, as a program of its own."""
        return run(*self.with_config(arguments), env=env or self.env)

    def call(self, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
        """The same in this process, which is faster."""
        return called(*self.with_config(arguments), env=env or self.env)

    def with_config(self, arguments: Sequence[str]) -> list[str]:
        """The arguments, with the file."""
        return [arguments[0], "--config", str(self.config), *arguments[1:]]

    def cloud(self) -> Any:
        """What the simulator has seen."""
        with urllib.request.urlopen(f"{self.endpoint}/_simulator/state") as answer:
            return json.load(answer)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`vncproxy simulate`, for all tests here."""
    settings = tmp_path_factory.mktemp("simulator") / "simulator.toml"
    settings.write_text(SIMULATOR)
    with program("simulate", "--config", str(settings)) as simulator:
        yield simulator.until(r"listens at (http://\S+)")[1]


@pytest.fixture
def installation(endpoint: str, tmp_path: Path) -> Installation:
    """A configuration of its own for each test; nothing runs."""
    port = free_port()
    state = tmp_path / "state"
    config = tmp_path / "vncproxy.toml"
    config.write_text(
        f"""\
[[listen]]
address = "127.0.0.1:{port}"

[aliyun]
endpoint = "{endpoint}"

[state]
directory = "{state}"

[[instance]]
alias = "demo"
id = "{DEMO_ID}"

[[instance]]
alias = "stopped"
id = "i-bp1demo0000000000002"
"""
    )
    keys = {
        "ALIBABA_CLOUD_ACCESS_KEY_ID": "the-key",
        "ALIBABA_CLOUD_ACCESS_KEY_SECRET": "planted-key-secret",
        "HOME": str(tmp_path),
    }
    return Installation(endpoint, config, state, port, keys)


# Without any cloud


def test_help_imports_nothing_heavy() -> None:
    """--help and --version answer at once, with the standard library's lightest parts."""
    commands = [[command.name, "--help"] for command in COMMANDS]
    acts = [["user", "add", "--help"], ["audit", "verify", "--help"]]
    asked = [["--help"], *commands, *acts, ["--version"]]
    script = (
        "import sys\nfrom vncproxy.cli import main\n"
        f"for arguments in {asked!r}:\n"
        "    try:\n        main(arguments)\n    except SystemExit as end:\n"
        "        assert not end.code\n"
        f"    print('heavy:', [name for name in {(*HEAVY, _OF_VERSIONS)!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [line for line in done.stdout.splitlines() if line.startswith("heavy:")]
    assert found[:-1] == ["heavy: []"] * (len(asked) - 1)
    assert found[-1] in ("heavy: []", f"heavy: {[_OF_VERSIONS]}")


def test_help_tells_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Each command of this version has its line, and help of its own."""
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    output = capsys.readouterr().out
    for command in (one.name for one in COMMANDS):
        assert re.search(rf"^    {command}\s", output, re.MULTILINE)
        with pytest.raises(SystemExit) as end:
            main([command, "--help"])
        assert end.value.code == 0
        assert command in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("power", "--help"), ("boot-log", "x"), ("instances",)],
)
@pytest.mark.parametrize("buffered", [True, False])
def test_what_cannot_be_printed_is_an_error(arguments: tuple[str, ...], buffered: bool) -> None:
    """Where the output is closed, or, of help, on a full disk: else a script would go on."""
    environ = {**os.environ, "PYTHONUNBUFFERED": "" if buffered else "1"}
    outputs = {">&-": "the standard output is closed"}
    if arguments[-1].startswith("--"):
        outputs[">/dev/full"] = "the output can't be written: No space left on device"
    for redirected, problem in outputs.items():
        command = ("sh", "-c", f'"$@" {redirected}', "sh", *PROGRAM, *arguments)
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (1, f"vncproxy: {problem}\n")


ACTIONS = {
    *("serve", "simulate", "demo", "power", "type", "key", "kick", "forget", "init"),
    "user remove",
}
"""They do something: that is done also where nobody reads what they say."""
RESULTS = {
    "check": ["check"],
    "url": ["url", "x"],
    "open": ["open", "x"],
    "instances": ["instances"],
    "consoles": ["consoles", "--watch"],
    "screenshot": ["screenshot", "x", "-o", "-"],
    "boot-log": ["boot-log", "x"],
    "user add": ["user", "add", "x"],
    "user list": ["user", "list"],
    "sessions": ["sessions"],
    "audit verify": ["audit", "verify", "x"],
    "recordings": ["recordings"],
    "replay": ["replay", "x"],
}
"""Their result is what they print."""


def test_a_result_that_nobody_can_get_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of every command whose result is its output, before anything is asked or made."""
    acts = {"user": ("add", "remove", "list"), "audit": ("verify",)}
    names = {one.name for one in COMMANDS} - acts.keys()
    names |= {f"{name} {act}" for name, those in acts.items() for act in those}
    assert names == ACTIONS | RESULTS.keys()
    monkeypatch.setattr("vncproxy.commands.output._closed", {1})
    for name, arguments in RESULTS.items():
        assert main(arguments) == 1, name
        assert capsys.readouterr().err == "vncproxy: the standard output is closed\n", name
    assert main(["replay", "x", "--info"]) == 1
    assert "closed" in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    """It is the package's."""
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.startswith(f"vncproxy {__version__} (Python ")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["unknown"],
        ["serve", "extra"],
        ["user"],
        ["user", "unknown"],
    ],
)
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, and a sentence."""
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else -1
    assert status == 2
    assert capsys.readouterr().err


def test_wrong_configurations(installation: Installation) -> None:
    """Status 78 from every command, all mistakes at once, and nothing is made or asked."""
    installation.config.write_text(
        '[limits]\nidle_timout = 3\nkeepalive_interval = "x"\n[[rule]]\n'
    )
    calls = len(installation.cloud()["calls"])
    for command in (["serve"], ["check"], ["url", "demo"], ["url", "demo", "--official"]):
        done = installation.call(*command)
        assert (done.status, done.out) == (78, ""), command
        lines = done.err.splitlines()
        assert len(lines) == 4
        assert all(line.startswith("vncproxy: ") for line in lines)
        assert "idle_timeout" in done.err
    assert installation.run("instances", "--json").status == 78
    assert main(["check", "--config", str(installation.config.with_name("none.toml"))]) == 78
    assert sorted(file.name for file in installation.config.parent.iterdir()) == ["vncproxy.toml"]
    assert len(installation.cloud()["calls"]) == calls


def test_check_of_a_wrong_configuration_for_programs(installation: Installation) -> None:
    """Each mistake is a finding on standard output; people read the same on standard error."""
    installation.config.write_text('[limits]\nidle_timout = 3\nkeepalive_interval = "x"\n')
    done = installation.call("check", "--json")
    found = json.loads(done.out)
    assert done.status == 78
    assert [(one["what"], one["ok"]) for one in found] == [("configuration", False)] * 2
    assert [f"vncproxy: {one['text']}" for one in found] == done.err.splitlines()


def test_a_command_does_not_promise_another_try(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """When the cloud has a fault the command ends, and says that it is up to the reader."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "b")
    file = tmp_path / "vncproxy.toml"
    file.write_text(
        f'[aliyun]\nendpoint = "http://127.0.0.1:{free_port()}"\n'
        f'[[instance]]\nalias = "demo"\nid = "{DEMO_ID}"\n'
    )
    assert main(["url", "demo", "--official", "--config", str(file)]) == 1
    log_text = capsys.readouterr().err
    assert "Try again later." in log_text
    assert "tried again" not in log_text


def test_certificates_that_do_not_load_are_found_first(installation: Installation) -> None:
    """Status 78 before the state folder is made."""
    for name in ("c.pem", "k.pem"):
        (installation.config.parent / name).touch(mode=0o600)
        (installation.config.parent / name).write_text("rubbish")
    text = installation.config.read_text().replace(
        "[aliyun]", 'certificate = "c.pem"\nkey = "k.pem"\n[aliyun]'
    )
    installation.config.write_text(text)
    done = installation.call("serve")
    assert done.status == 78
    assert "certificate" in done.err
    assert not installation.state.exists()


# With the cloud, and without a daemon


def test_check_when_all_is_well(installation: Installation) -> None:
    """Status 0 and a line for each thing; with --json the same for programs."""
    done = installation.run("check", "demo")
    assert (done.status, done.err) == (0, "")
    lines = done.out.splitlines()
    assert len(lines) == 9
    assert all(line.startswith("ok    ") for line in lines)
    found = json.loads(installation.call("check", "demo", "--json").out)
    assert [f"ok    {f['what']}: {f['text']}" for f in found if f["ok"]] == lines


def test_check_when_something_is_wrong(installation: Installation) -> None:
    """Status 1; the failures stand out, also in JSON, and hold no secret."""
    done = installation.run("check")
    assert done.status == 1
    assert [line for line in done.out.splitlines() if line.startswith("FAIL")] == [
        "FAIL  stopped status: Stopped; a console needs it Running"
    ]
    done = installation.call("check", "demo", "--json", env={**installation.env, **DENIED})
    assert done.status == 1
    assert [f["what"] for f in json.loads(done.out) if not f["ok"]] == ["demo permission"]
    assert "planted" not in done.out + done.err


def test_instances_without_a_daemon(installation: Installation) -> None:
    """The cloud is asked; a table for people, JSON for programs."""
    done = installation.call("instances")
    assert (done.status, done.err) == (0, "")
    assert [line.split()[0] for line in done.out.splitlines()] == ["ALIAS", "demo", "stopped"]
    rows = json.loads(installation.run("instances", "--json").out)
    assert [(row["alias"], row["status"]) for row in rows] == [
        ("demo", "Running"),
        ("stopped", "Stopped"),
    ]
    assert not installation.state.exists()


def test_url_without_a_daemon(installation: Installation) -> None:
    """Status 1, and how to start one."""
    done = installation.call("url", "demo")
    assert (done.status, done.out) == (1, "")
    assert "vncproxy serve" in done.err


def test_url_official(installation: Installation) -> None:
    """The one output with a secret in it is the address alone; permits are counted over runs."""
    installation.config.write_text(
        installation.config.read_text() + "\n[limits]\nreconnects_per_minute = 2\nmax_wait = 1.0\n"
    )
    for _ in range(2):
        done = installation.run("url", "demo", "--official")
        assert (done.status, done.err) == (0, "")
        (line,) = done.out.splitlines()
        assert re.fullmatch(r"https://g\.alicdn\.com/\S+\?vncUrl=ws%3A\S+&instanceId=i-\S+", line)
    done = installation.call("url", "demo", "--official")
    assert (done.status, done.out) == (1, "")
    assert "opened too often" in done.err
    done = installation.call("url", "stopped", "--official")
    assert (done.status, done.out) == (1, "")
    assert installation.call("url", "unknown", "--official").status == 1
    assert "password_file" in installation.call("url", "demo", "--official", "--with-password").err


@pytest.mark.parametrize("command", ["instances", "check"])
def test_a_reader_that_leaves(installation: Installation, command: str) -> None:
    """`vncproxy instances | head -0` ends quietly, also in the midst of what is still asked."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        done = subprocess.run(
            [*PROGRAM, command, "--config", str(installation.config)],
            stdout=pipe,
            stderr=subprocess.PIPE,
            env={**os.environ, **installation.env},
            timeout=WAIT_S,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"")


# With a daemon


def ask(installation: Installation, target: str, **how: Any) -> Any:
    """A call of the daemon with its token."""
    token = (installation.state / "token").read_text().strip()
    request = urllib.request.Request(
        f"http://127.0.0.1:{installation.port}{target}",
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        **how,
    )
    with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
        content = answer.read()
        return json.loads(content) if content else dict(answer.headers)


def test_a_daemon_and_its_commands(installation: Installation) -> None:
    """serve, then url, instances and check beside it, and its end by SIGTERM."""
    with program("serve", "--config", str(installation.config), env=installation.env) as daemon:
        daemon.until("daemon.started")
        link = installation.run("url", "demo")
        assert (link.status, link.err) == (0, "")
        found = re.fullmatch(rf"http://127\.0\.0\.1:{installation.port}/enter#(\S+)\n", link.out)
        assert found
        ticket = json.dumps({"ticket": found[1]}).encode()
        assert ask(installation, "/api/v1/session", data=ticket) == {"next": "/console/demo"}
        with pytest.raises(urllib.error.HTTPError, match="401"):
            ask(installation, "/api/v1/session", data=ticket)
        other = installation.call("url", "demo", "--base-url", "https://bastion.example")
        assert other.out.startswith("https://bastion.example/enter#")
        done = installation.call("url", "unknown")
        assert (done.status, done.out) == (1, "")
        rows = json.loads(installation.call("instances", "--json", env={"HOME": "/"}).out)
        assert [row["alias"] for row in rows] == ["demo", "stopped"]
        assert installation.call("check", "demo").status == 0
        second = installation.run("serve")
        assert second.status == 1
        assert re.search("already|in use", second.err)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.until("reload.done")
        assert daemon.end() == 0
        daemon.until("daemon.stopped")
        for secret in (found[1], (installation.state / "token").read_text().strip(), "planted"):
            assert secret not in daemon.log_text
    assert [json.loads(line)["event"] for line in daemon.lines][-1] == "daemon.stopped"


def test_sigterm_with_a_viewer(installation: Installation) -> None:
    """1012 for the viewer once the link is closed, and the end with status 0."""
    with program("serve", "--config", str(installation.config), env=installation.env) as daemon:
        daemon.until("daemon.started")
        token = (installation.state / "token").read_text().strip()
        with socket.create_connection(("127.0.0.1", installation.port), WAIT_S) as viewer:
            viewer.sendall(
                b"GET /websockify/demo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                + f"Authorization: Bearer {token}\r\n\r\n".encode()
            )
            daemon.until("link.opened")
            daemon.process.send_signal(signal.SIGTERM)
            received = b""
            while chunk := viewer.recv(65536):
                received += chunk
                if b"restarting" in received:
                    break
            assert received.endswith(b"\x88\x0c\x03\xf4restarting")
        assert daemon.process.wait(WAIT_S) == 0
        daemon.until("daemon.stopped")
        events = [json.loads(line)["event"] for line in daemon.lines]
    assert events.index("link.closed") < events.index("viewer.closed")
    assert installation.cloud()["sessions"] == {}
    assert installation.cloud()["breaches"] == {}


def test_sigint_ends_it_too(installation: Installation) -> None:
    """Ctrl+C in a terminal is a proper end."""
    with program("serve", "--config", str(installation.config), env=installation.env) as daemon:
        daemon.until("daemon.started")
        assert daemon.end(signal.SIGINT) == 0


def test_a_state_that_cannot_be_written(installation: Installation) -> None:
    """Without a ledger there is no daemon: status 1, or 78 where the setting is at fault."""
    installation.state.mkdir(mode=0o700)
    (installation.state / "ledger.sqlite").mkdir()
    assert installation.run("serve").status == 1
    installation.state.chmod(0o777)
    assert installation.call("serve").status == 78


def test_demo_and_simulate_say_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """The demo prints where to look; a taken port is status 1."""
    with program("demo", "--port", "0") as demo:
        page = demo.until(r"Open (http://127\.0\.0\.1:(\d+)/console/demo)")
        with urllib.request.urlopen(page[1], timeout=WAIT_S) as answer:
            assert answer.status == 200
        for command in ("demo", "simulate"):
            assert main([command, "--port", page[2]]) == 1
            assert f"can't listen on 127.0.0.1:{page[2]}" in capsys.readouterr().err
        assert demo.end() == 0


def test_users_and_what_they_may_do(tmp_path: Path) -> None:
    """Added, listed, asked about and removed; the token is printed once and kept nowhere."""
    config = tmp_path / "vncproxy.toml"
    config.write_text(
        '[access]\nusers_file = "users.json"\n[[listen]]\naccess = "users"\n'
        '[[instance]]\nalias = "web-1"\nid = "i-1"\n'
        '[[rule]]\nusers = ["@ops"]\ninstances = ["web-*"]\nrole = "watch"\n'
    )
    settings = ("--config", str(config))
    added = run("user", "add", "ann", "--group", "ops", *settings)
    assert (added.status, added.err) == (0, "")
    token = added.out.strip()
    assert token not in (tmp_path / "users.json").read_text()
    again = called("user", "add", "ann", *settings)
    assert (again.status, again.out) == (1, "")
    assert "already" in again.err
    assert called("user", "list", *settings).out == "ann @ops\n"
    (row,) = json.loads(called("user", "list", "--json", *settings).out)
    assert (row["name"], row["groups"]) == ("ann", ["ops"])
    allowed = run("check", "--as", "ann", "web-1", *settings)
    assert (allowed.status, "watch: rule 1" in allowed.out) == (0, True)
    config.write_text(f'{config.read_text()}hours = ["mon-fri 08:00-18:00"]\n')
    friday = called("check", "--as", "ann", "web-1", "--at", "2026-11-27 08:00", *settings)
    assert (friday.status, "rule 1 (watch, mon-fri 08:00-18:00)" in friday.out) == (0, True)
    saturday = called("check", "--as", "ann", "web-1", "--at", "2026-11-28 03:00", *settings)
    assert (saturday.status, "and it is Sat 03:00" in saturday.out) == (1, True)
    denied = called("check", "--as", "bob", "web-1", "--json", *settings)
    assert (denied.status, json.loads(denied.out)[0]["ok"]) == (1, False)
    assert called("check", "--as", "ann", "web-1", "--door", "listen", *settings).status == 2
    assert called("check", "--door", "u", *settings).status == 2
    for name in ("", "@ops", "a,b"):
        assert called("check", "--as", name, "web-1", *settings).status == 2
    assert called("user", "remove", "ann", *settings).status == 0
    assert called("user", "list", *settings).out == ""


def test_consoles_and_kick_without_a_daemon(tmp_path: Path) -> None:
    """Both say how to start one."""
    config = tmp_path / "vncproxy.toml"
    config.write_text(
        f'[[listen]]\naddress = "127.0.0.1:{free_port()}"\n[state]\ndirectory = "{tmp_path}"\n'
    )
    for how, *command in (
        (run, "consoles"),
        (called, "consoles"),
        (called, "consoles", "--watch"),
        (called, "kick", "web-1"),
    ):
        done = how(*command, "--config", str(config))
        assert (done.status, done.out) == (1, "")
        assert "vncproxy serve" in done.err
