"""The man pages and the completion of shells, as they are made for the package."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.real.peers.presence import need
from vncproxy.cli import COMMANDS, parser

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "config" / "vncproxy.example.toml"

pytestmark = pytest.mark.real

COMPLETED = [
    ("pow", ["power"]),
    ("open --b", ["--base-url"]),
    ("user ", ["add", "list", "remove"]),
    ("power web-1 re", ["restart"]),
    ("init --access p", ["peer"]),
]
"""What is typed behind the program's name, and what it can become."""

BASH = """\
source "$1"; shift
COMP_WORDS=(vncproxy "$@") COMP_CWORD=$# COMPREPLY=()
function=$(complete -p vncproxy | sed 's/.*-F \\([^ ]*\\).*/\\1/')
"$function" vncproxy "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
printf '%s\n' "${COMPREPLY[@]}"
"""


def output(*command: str | Path, **environment: str) -> str:
    """What a program prints that neither fails nor warns."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What goes to share/; made by somebody whose terminal is Chinese."""
    folder = tmp_path_factory.mktemp("share")
    script = ROOT / ".build" / "manuals.py"
    assert output(sys.executable, script, folder, LC_ALL="zh_CN.UTF-8", COLUMNS="20") == ""
    return folder


def shown(page: Path) -> str:
    """A man page as a terminal has it, in lines that are as long as they like."""
    need("groff", "groff-base")
    text = output("groff", "-ww", "-man", "-Tascii", "-P-cbou", "-rLL=3000n", page)
    return re.sub(r" +", " ", text)


def test_every_command_has_its_part(share: Path) -> None:
    """With its options, in English, without a warning."""
    page = shown(share / "man" / "man1" / "vncproxy.1")
    assert "SYNOPSIS" in page
    for command in COMMANDS:
        assert re.search(rf"^ vncproxy {command.name}$", page, re.MULTILINE)
        for example in command.examples:
            assert example in page
    for action in options(parser()):
        assert re.search(rf"^ {re.escape(', '.join(action.option_strings))}( |$)", page, re.M)


def options(made: argparse.ArgumentParser) -> list[argparse.Action]:
    """Those of all commands, but for --help."""
    found: list[argparse.Action] = []
    for action in made._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                found += options(inner)
                found += [
                    one
                    for one in inner._actions
                    if one.option_strings and not isinstance(one, argparse._HelpAction)
                ]
    return found


def test_every_key_has_its_part(share: Path) -> None:
    """Those of the example, which has all; what it says of them, too."""
    page = shown(share / "man" / "man5" / "vncproxy.toml.5")
    text = EXAMPLE.read_text()
    keys = re.findall(r"^#?([a-z_]+) = .", text, re.MULTILINE)
    assert set(keys) > {"address", "users", "hours", "gateway_hosts"}
    for key in keys:
        assert re.search(rf"^ #?{key} = ", page, re.MULTILINE), key
    for section in tomllib.loads(text):
        assert re.search(rf"^ \[+{section}\]+$", page, re.MULTILINE)
    words = re.findall(r"[A-Za-z]{4,}", " ".join(re.findall(r"^# (.+)", text, re.MULTILINE)))
    assert [word for word in words if word not in page] == []


@pytest.mark.parametrize(("typed", "expected"), COMPLETED)
def test_bash_completes(share: Path, typed: str, expected: list[str]) -> None:
    """Commands, acts, options and choices."""
    script = share / "bash-completion" / "completions" / "vncproxy"
    found = output("bash", "-c", BASH, "bash", script, *typed.split(" "))
    assert sorted(found.split()) == expected


def test_bash_completes_files(share: Path, tmp_path: Path) -> None:
    """Where an option wants one."""
    script = share / "bash-completion" / "completions" / "vncproxy"
    (tmp_path / "mine.toml").touch()
    words = ("serve", "--config", f"{tmp_path}/mi")
    assert output("bash", "-c", BASH, "bash", script, *words).split() == [f"{tmp_path}/mine.toml"]


def test_zsh_can_read_its_file(share: Path) -> None:
    """By its syntax; its completion runs at a terminal only."""
    zsh = need("zsh", "zsh")
    script = share / "zsh" / "site-functions" / "_vncproxy"
    assert script.read_text().startswith("#compdef vncproxy\n")
    assert output(zsh, "-n", script) == ""


def test_fish_completes(share: Path, tmp_path: Path) -> None:
    """The same as bash."""
    fish = need("fish", "fish")
    script = share / "fish" / "vendor_completions.d" / "vncproxy.fish"
    asked = "; ".join(f"complete -C 'vncproxy {typed}'; echo" for typed, _ in COMPLETED)
    found = output(fish, "--no-config", "-c", f"source {script}; {asked}", HOME=str(tmp_path))
    parts = found.split("\n\n")[: len(COMPLETED)]
    answers = [sorted(line.split("\t")[0] for line in part.split("\n")) for part in parts]
    assert [[one for one in answer if one] for answer in answers] == [one for _, one in COMPLETED]
