"""`vncproxy init`: what it asks, and what it leaves behind."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.unit.commands.surroundings import (
    DEMO,
    DENIED,
    KEY,
    Installation,
    environ,
    options_of,
    refuses,
)
from vncproxy.cli import main
from vncproxy.commands.first_configuration import Picked
from vncproxy.commands.init import instance_given, instance_table, target
from vncproxy.errors import LocalError
from vncproxy.simulator.settings import AccessKey

pytestmark = pytest.mark.sockets

BY_OPTIONS = ("--region", "cn-hangzhou", "--discover")


class Terminal:
    """Somebody who runs the command, with a home of their own and a simulated cloud."""

    def __init__(
        self,
        installation: Installation,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        """Have the keys, and a home without a configuration."""
        self.home = installation.folder / "home"
        self.file = self.home / ".config" / "vncproxy" / "vncproxy.toml"
        self.port = installation.port
        self.asked: list[str] = []
        self.out = self.err = ""
        self._patch = monkeypatch
        self._capsys = capsys
        self.home.mkdir()
        monkeypatch.setenv("HOME", str(self.home))
        for name in ("VNCPROXY_CONFIG", "DISPLAY", "WAYLAND_DISPLAY", "BROWSER", "SSH_CONNECTION"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("VNCPROXY_ALIYUN__ENDPOINT", installation.cloud.endpoint)
        monkeypatch.setattr("vncproxy.config.paths.SYSTEM_FILE", self.home / "no.toml")
        monkeypatch.setattr(sys, "argv", ["pytest"])
        self.keys(KEY)

    def keys(self, key: AccessKey) -> None:
        """Go on with these."""
        for name, value in environ(key).items():
            self._patch.setenv(name, value)

    async def init(
        self, *arguments: str, answers: Sequence[str | type[BaseException]] | None = None
    ) -> int:
        """The command's status.

        Args:
            arguments: Its, but for the door's address.
            answers: To its questions; none may be left over. None: standard input is no terminal.
        """
        left: Iterator[str | type[BaseException]] = iter(answers or ())

        def answer() -> str:
            said = next(left)
            if isinstance(said, str):
                return said
            raise said

        self._patch.setattr(sys.stdin, "isatty", lambda: answers is not None)
        self._patch.setattr("builtins.input", answer)
        address = ("--address", f"127.0.0.1:{self.port}")
        status = await asyncio.to_thread(main, ["init", *address, *arguments])
        assert next(left, None) is None
        self.out, self.err = self._capsys.readouterr()
        return status

    def left_behind(self) -> list[Path]:
        """All that is in the home."""
        return sorted(self.home.rglob("*"))

    @property
    def written(self) -> dict[str, object]:
        """The file, as TOML has it, but for the door."""
        found = tomllib.loads(self.file.read_text())
        assert found.pop("listen")[0]["address"] == f"127.0.0.1:{self.port}"
        return found


@pytest.fixture
def terminal(
    installation: Installation,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Terminal:
    """One with the simulator's keys."""
    return Terminal(installation, monkeypatch, capsys)


def test_its_arguments() -> None:
    """Those that can't be right are refused before anything is asked."""
    assert refuses("init", "--region", "a.b/c")
    assert refuses("init", "--instance", "web-1")
    assert refuses("init", "--instance", "i-1", "--discover")
    # As long as a configuration may have it, and no longer.
    assert options_of("init", "--instance", f"i-{'x' * 62}").instances
    assert refuses("init", "--instance", f"i-{'x' * 63}")
    assert refuses("init", "--access", "open")
    assert refuses("init", "--user", "a b", "--access", "peer")
    assert refuses("init", "--user", "*", "--access", "peer")
    assert refuses("init", *BY_OPTIONS, "--user", "ann")


def test_instance_givens() -> None:
    """An id, with or without an alias."""
    assert instance_given(DEMO.instance_id) == Picked(DEMO.instance_id)
    assert instance_given(f"web-1={DEMO.instance_id}") == Picked(DEMO.instance_id, "web-1")
    for wrong in (
        "",
        "web-1",
        "web-1=",
        f"={DEMO.instance_id}",
        f"a b={DEMO.instance_id}",
        f"i-x={DEMO.instance_id}",
        f"{DEMO.instance_id}\n",
    ):
        with pytest.raises(argparse.ArgumentTypeError, match=r"id|alias"):
            instance_given(wrong)


async def test_by_questions(terminal: Terminal) -> None:
    """Enter takes what is proposed; a wrong answer is asked again; then what to do next."""
    answers = ["Cn/hangzhou", "", "3", "2 1", "9", "", ""]
    # One of the two is stopped, which the check tells.
    assert await terminal.init(answers=answers) == 1
    assert terminal.written == {
        "aliyun": {"region": "cn-hangzhou"},
        "instance": [
            {"alias": "stopped", "id": "i-bp1demo0000000000002"},
            {"alias": "demo", "id": "i-bp1demo0000000000001"},
        ],
    }
    lines = terminal.out.splitlines()
    assert lines[0] == f"Written: {terminal.file}"
    assert f"ok    configuration: {terminal.file}" in lines
    assert lines[-4:] == [
        "Mend what is marked FAIL, and look again: vncproxy check",
        "Start it: vncproxy serve",
        f"The consoles are at http://127.0.0.1:{terminal.port}/",
        "In another terminal, for the link to one: vncproxy url stopped",
    ]
    assert KEY.secret not in terminal.out + terminal.err + terminal.file.read_text()
    assert KEY.key_id not in terminal.out + terminal.err + terminal.file.read_text()


async def test_all_instances_and_people(terminal: Terminal) -> None:
    """`all` is discover; accounts of this machine need a name."""
    answers = ["", "all", "2", "ann @ops", "y"]
    assert await terminal.init(answers=answers) == 1
    assert terminal.written == {
        "aliyun": {"region": "cn-hangzhou", "discover": True},
        "rule": [{"users": ["ann", "@ops"], "instances": ["*"], "role": "control"}],
    }


async def test_a_region_that_is_not_known(terminal: Terminal) -> None:
    """The nearest is proposed; the same answer again is meant."""
    assert await terminal.init(answers=["cn-hangzou", "", "1", "1", "n"]) == 1
    assert "cn-hangzou isn't known here" in terminal.err
    assert await terminal.init(answers=["cn-hangzou", "cn-hangzou", "i-1", "", "1", "n"]) == 1


@pytest.mark.parametrize("end", [KeyboardInterrupt, EOFError])
async def test_an_end_at_any_question_leaves_nothing(
    terminal: Terminal, end: type[BaseException]
) -> None:
    """No file and no folder; a no at the end neither."""
    answers = ["", "1", "3", "ann", "y"]
    for count in range(len(answers)):
        assert await terminal.init(answers=[*answers[:count], end]) == 1
        assert terminal.err.endswith("\nnothing was written\n")
        assert terminal.out == ""
        assert terminal.left_behind() == []
    assert await terminal.init(answers=[*answers[:-1], "n"]) == 1
    assert terminal.left_behind() == []


async def test_by_options(terminal: Terminal) -> None:
    """Nobody has to be there; the cloud says what the options don't."""
    one = ("--instance", "i-bp1demo0000000000001", "--instance", "b=i-bp1demo0000000000002")
    assert await terminal.init("--region", "cn-hangzhou", *one) == 1
    assert terminal.written["instance"] == [
        {"alias": "demo", "id": "i-bp1demo0000000000001"},
        {"alias": "b", "id": "i-bp1demo0000000000002"},
    ]
    assert terminal.file.stat().st_mode & 0o777 == 0o644


async def test_nobody_to_ask(terminal: Terminal) -> None:
    """Wrong usage, which names what is missing."""
    for given, missing in (
        ((), "--region"),
        (("--region", "cn-hangzhou"), "--instance or --discover"),
        ((*BY_OPTIONS, "--access", "users"), "--user"),
    ):
        assert await terminal.init(*given) == 2
        assert missing in terminal.err
    assert terminal.left_behind() == []


async def test_a_file_that_is_there_stays(terminal: Terminal) -> None:
    """Unless its end is agreed to; then its mode stays."""
    terminal.file.parent.mkdir(parents=True)
    terminal.file.write_text("# mine\n")
    terminal.file.chmod(0o640)
    assert await terminal.init(*BY_OPTIONS) == 1
    assert "is there already; --force replaces it" in terminal.err
    assert await terminal.init(*BY_OPTIONS, answers=[""]) == 1
    assert await terminal.init(*BY_OPTIONS, answers=["y", "1", KeyboardInterrupt]) == 1
    assert terminal.file.read_text() == "# mine\n"
    assert await terminal.init(*BY_OPTIONS, answers=["y", "1", "y"]) == 1
    assert terminal.written == {"aliyun": {"region": "cn-hangzhou", "discover": True}}
    assert terminal.file.stat().st_mode & 0o777 == 0o640
    terminal.file.write_text("# mine\n")
    assert await terminal.init(*BY_OPTIONS, "--force") == 1
    assert terminal.file.read_text() != "# mine\n"


async def test_another_place(terminal: Terminal) -> None:
    """The commands that it names name it, too."""
    file = terminal.home / "a" / "b.toml"
    one = ("--region", "cn-hangzhou", "--instance", "i-bp1demo0000000000001")
    assert await terminal.init(*one, "--config", str(file)) == 0
    assert f"Start it: vncproxy serve --config {file}" in terminal.out
    assert "FAIL" not in terminal.out


async def test_choices_that_do_not_fit(terminal: Terminal) -> None:
    """As of any configuration: status 78; nothing is written."""
    assert await terminal.init(*BY_OPTIONS, "--address", "0.0.0.0:6080") == 78
    assert "address" in terminal.err
    assert terminal.left_behind() == []


async def test_a_folder_that_can_not_be_made(terminal: Terminal) -> None:
    """It says so, and what was made on the way is gone."""
    (terminal.home / "file").touch()
    file = terminal.home / "file" / "x.toml"
    assert await terminal.init(*BY_OPTIONS, "--config", str(file)) == 1
    assert "can't be written: " in terminal.err
    assert terminal.left_behind() == [terminal.home / "file"]


async def test_without_the_cloud_ids_are_typed(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with keys that may not list them: it says why."""
    terminal.keys(
        AccessKey(DENIED.key_id, "wrong", denied_actions=frozenset({"DescribeInstances"}))
    )
    answers = ["", "web", "web=i-1", "i-2", "", "token", "y"]
    assert await terminal.init(answers=answers) == 1
    assert "the cloud's list of instances can't be had: " in terminal.err
    assert terminal.written["instance"] == [{"alias": "web", "id": "i-1"}, {"id": "i-2"}]
    assert "FAIL" in terminal.out


def test_an_account_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has to name a file."""
    monkeypatch.delenv("VNCPROXY_CONFIG", raising=False)
    monkeypatch.setattr("vncproxy.config.paths.home_folder", lambda _: None)
    monkeypatch.setattr("vncproxy.config.paths.SYSTEM_FILE", Path("/nowhere/x.toml"))
    with pytest.raises(LocalError, match="--config FILE"):
        target(None)
    assert target(Path("x.toml")) == Path.cwd() / "x.toml"


def test_the_table_of_nothing() -> None:
    """A head alone."""
    assert len(instance_table([])) == 1
